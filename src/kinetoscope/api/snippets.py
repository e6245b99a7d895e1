"""One order as programs that place it, to copy: cURL, Python, JavaScript, the command line."""

import json
import pprint
import shlex
from typing import Any

Order = dict[str, Any]

FLAGS = (("image", "--image"), ("video", "--video"), ("audio", "--audio"), ("url", "--image"))
"""By what the name of a list of media has in it, how the command line takes such."""


def curl(order: Order, public_url: str, indent: int | None = None) -> str:
    """Return a command that creates a task; with `indent` its order is spread over lines."""
    body = shlex.quote(json.dumps(order, ensure_ascii=False, indent=indent))
    return f"""curl {public_url}/api/v1/jobs/createTask \\
  -H "Authorization: Bearer $KINETOSCOPE_KEY" \\
  -H 'Content-Type: application/json' \\
  -d {body}"""


def python(order: Order, public_url: str, indent: int | None = None) -> str:
    """Return a script, without any package, that creates a task and waits for its files."""
    shown = repr(order) if indent is None else pprint.pformat(order, sort_dicts=False, width=88)
    return f"""import json, os, time, urllib.request

def ask(path, body=None):
    request = urllib.request.Request("{public_url}/api/v1/jobs/" + path)
    request.add_header("Authorization", "Bearer " + os.environ["KINETOSCOPE_KEY"])
    request.add_header("Content-Type", "application/json")
    data = None if body is None else json.dumps(body).encode()
    return json.load(urllib.request.urlopen(request, data))

order = {shown}
task_id = ask("createTask", order)["taskId"]
while (task := ask("recordInfo?taskId=" + task_id))["status"] not in ("success", "fail"):
    time.sleep(3)
print(task["error"] or [file["url"] for file in task["output"]])"""


def javascript(order: Order, public_url: str, indent: int | None = None) -> str:
    """Return the same for Node.js and its kind, with nothing but fetch."""
    shown = json.dumps(order, ensure_ascii=False, indent=indent)
    return f"""const ask = async (path, body) => {{
  const response = await fetch("{public_url}/api/v1/jobs/" + path, {{
    method: body ? "POST" : "GET",
    headers: {{
      Authorization: `Bearer ${{process.env.KINETOSCOPE_KEY}}`,
      "Content-Type": "application/json",
    }},
    body: body && JSON.stringify(body),
  }});
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}};

const order = {shown};
const {{ taskId }} = await ask("createTask", order);
let task;
do {{
  await new Promise((resolve) => setTimeout(resolve, 3000));
  task = await ask("recordInfo?taskId=" + taskId);
}} while (!["success", "fail"].includes(task.status));
console.log(task.error ?? task.output.map((file) => file.url));"""


def command(order: Order, public_url: str, indent: int | None = None) -> str:
    """Return the line for a shell: `pip install 'kinetoscope[client]'` brings the command."""
    inputs = dict(order["inputs"])
    words = [order["model"], inputs.pop("prompt", "")]
    for name, value in inputs.items():
        if isinstance(value, list):
            flag = next((flag for part, flag in FLAGS if part in name.lower()), "-i")
            words += [word for each in value for word in (flag, str(each))]
        else:
            text = json.dumps(value) if isinstance(value, bool) else str(value)
            words += ["-i", f"{name}={text}"]
    separator = " " if indent is None else " \\\n" + " " * indent
    first = f"kinetoscope generate --url {public_url}"
    shown = [shlex.quote(str(word)) for word in words]
    return first + _spread(shown, separator)


def _spread(words: list[str], separator: str) -> str:
    """Put the prompt, and each flag with its value, on lines of their own."""
    text = f" {words[0]}{separator}{words[1]}"
    for flag, value in zip(words[2::2], words[3::2], strict=True):
        text += f"{separator}{flag} {value}"
    return text
