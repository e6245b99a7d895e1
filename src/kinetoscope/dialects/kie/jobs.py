"""createTask and recordInfo as kie.ai has them: https://docs.kie.ai/market/quickstart."""

from starlette.responses import Response

from kinetoscope.api.body import invalid, issue, read_object
from kinetoscope.api.jobs import REPLAYED
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.dialects.kie.codes import said
from kinetoscope.dialects.kie.models import inputs_of, model_of
from kinetoscope.dialects.kie.record import data_of
from kinetoscope.dialects.making import Wish, make
from kinetoscope.dialects.names import NAME_LENGTH_MAX, Names
from kinetoscope.kernel.errors import InputIssue
from kinetoscope.tasks import read, whole
from kinetoscope.tasks.request import SCOPE, Spoken


def mount(speech: Speech, names: Names) -> None:
    """Add both."""
    runtime = speech.doors.runtime

    async def create_task(client: Client) -> Response:
        """Create a task: `{"data": {"taskId"}}`.

        `inputs` is taken for `input`, as the native contract spells it.
        """
        stated = await read_object(client.request, runtime.settings.body_bytes_max)
        name, given, callback_url = _read(stated)
        model = model_of(names, name, given)
        wish = Wish(
            model=model,
            inputs=inputs_of(model, given),
            spoken=Spoken(dialect="kie", details={"model": name[:NAME_LENGTH_MAX]}),
            callback_url=callback_url,
        )
        created = await make(runtime, client, wish)
        response = said({"taskId": created.task_id, "recordId": created.task_id})
        if created.replayed:
            response.headers.update(REPLAYED)
        return response

    async def record_info(client: Client) -> Response:
        """Tell how a task stands."""
        task_id = client.request.query_params.get("taskId")
        if not task_id:
            raise invalid(issue("invalid_type", "Expected the id of a task", "taskId"))
        account_id = client.caller.account_id
        found = await whole.own(runtime.database, account_id, task_id, runtime.clock())
        return said(data_of(found, runtime.signer))

    speech.route("POST", "/jobs/createTask", SCOPE, create_task, "Create a task")
    speech.route("GET", "/jobs/recordInfo", read.SCOPE, record_info, "Tell how a task stands")


def _read(stated: dict[str, object]) -> tuple[str, dict[str, object], str | None]:
    """Return model, inputs and address to call; raises InvalidRequest."""
    name, given = stated.get("model"), stated.get("input")
    if given is None:
        given = stated.get("inputs")
    # Clients that want no call send nothing, null or an empty text.
    callback_url = stated.get("callBackUrl") or None
    issues: list[InputIssue] = []
    if not isinstance(name, str) or not name:
        issues.append(issue("invalid_type", "Expected the name of a model", "model"))
    if not isinstance(given, dict):
        issues.append(issue("invalid_type", "Expected an object", "input"))
    if callback_url is not None and not isinstance(callback_url, str):
        issues.append(issue("invalid_type", "Expected an http or https URL", "callBackUrl"))
    if issues or not isinstance(given, dict):
        raise invalid(*issues)
    return str(name), given, None if callback_url is None else str(callback_url)
