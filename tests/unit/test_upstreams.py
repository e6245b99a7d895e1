"""From the operator's files and keys to providers and routes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engines.comfy import GRAPH

from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.calling import Caller
from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.kernel.outbound import Egress
from kinetoscope.providers.byteplus import BYTEPLUS
from kinetoscope.providers.comfyui.provider import ComfyUIProvider
from kinetoscope.providers.diffusers.provider import DiffusersProvider
from kinetoscope.providers.elevenlabs import ELEVENLABS
from kinetoscope.providers.hosted import HostedProvider
from kinetoscope.settings import Settings, load_settings
from kinetoscope.upstreams import (
    EMBEDDED,
    OWN_ADAPTERS,
    REHEARSAL,
    Parts,
    Setup,
    adapters_of,
    claims_of,
    providers_of,
    routes_of,
    setup_of,
    tasks_at_once,
)

BYTEPLUS_KEY = {"KINETOSCOPE_PROVIDER_BYTEPLUS_KEY": "planted"}


def settings(folder: Path, environment: dict[str, str] | None = None) -> Settings:
    return load_settings({"KINETOSCOPE_DATA_DIR": str(folder), **(environment or {})})


def set_up(folder: Path, environment: dict[str, str] | None = None, **files: str) -> Setup:
    providers = folder / "config" / "providers"
    providers.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (providers / f"{name}.toml").write_text(text)
    return setup_of(settings(folder, environment), builtin())


def parts(key: Callable[[str], str] = lambda _: "key") -> Parts:
    return Parts(
        adapters=adapters_of(()), key=key, caller=Caller(), egress=Egress(), folder=Path("unused")
    )


def test_without_files_everything_is_rendered_here(tmp_path: Path):
    setup = set_up(tmp_path)
    routes = routes_of(setup, builtin())
    assert setup.configs == ()
    assert all(listed == (EMBEDDED,) for listed in routes.by_model.values())
    assert routes.test == REHEARSAL
    assert routes.queues == {"embedded": "embedded", "rehearsal": "test"}


def test_a_file_of_one_line_is_enough(tmp_path: Path):
    setup = set_up(tmp_path, ark='adapter = "byteplus"\n')
    routes = routes_of(setup, builtin())
    (route,) = routes.by_model["seedance-20"]
    assert (route.provider, route.queue, route.order) == ("ark", "hosted", 2)
    assert route.upstream_model == "dreamina-seedance-2-0-260128"
    assert routes.by_model["midjourney-v8"] == (EMBEDDED,), "others stay as they are"
    assert routes.queues["ark"] == "hosted"


def test_a_configured_model_never_falls_back_to_previews(tmp_path: Path):
    routes = routes_of(set_up(tmp_path, ark='adapter = "byteplus"\n'), builtin())
    assert EMBEDDED not in routes.by_model["seedance-20"]


def test_a_key_in_the_environment_is_enough_too(tmp_path: Path):
    setup = set_up(tmp_path, BYTEPLUS_KEY)
    assert [config.name for config in setup.configs] == ["byteplus"]
    with_file = set_up(tmp_path, BYTEPLUS_KEY, byteplus='adapter = "byteplus"\nweight = 3\n')
    assert [config.weight for config in with_file.configs] == [3], "the file is the one that counts"


def test_own_engines_come_first_and_the_file_may_say_otherwise(tmp_path: Path):
    own = 'adapter = "openai_media"\n[models."seedance-20"]\nupstream = "wan"\n'
    setup = set_up(tmp_path, ark='adapter = "byteplus"\n', gpu=own)
    ranked = routes_of(setup, builtin()).by_model["seedance-20"]
    assert [route.provider for route in ranked] == ["gpu", "ark"]
    setup = set_up(tmp_path, gpu=own.replace("\n[", '\norder = 9\nqueue = "gpu-a"\n[', 1))
    routes = routes_of(setup, builtin())
    assert [route.provider for route in routes.by_model["seedance-20"]] == ["ark", "gpu"]
    assert routes.queues["gpu"] == "gpu-a"


NO_SUCH_MODEL = """adapter = "fal"

[models.midjourney-v7]
upstream = "x"
[models.nope]
upstream = "y"
"""


DIFFUSERS = """\
adapter = "diffusers"
[options]
devices = {devices}
[models."gpt-image-2"]
upstream = "flux"
[models."gpt-image-2".options]
{options}
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('adapter = "sora"\n', "bad.toml:1: adapter: 'sora' is none of byteplus"),
        (
            NO_SUCH_MODEL,
            "bad.toml:5: models.nope: there is no model 'nope'",
        ),
        ('adapter = "comfyui"\n', "bad.toml:1: adapter: needs [models]"),
        ('adapter = "diffusers"\n', "bad.toml:1: adapter: needs [models]"),
        (
            DIFFUSERS.format(devices='["tpu"]', options=""),
            "bad.toml:3: options.devices: cannot be 'tpu'",
        ),
        (
            DIFFUSERS.format(devices='["cpu"]', options="stps = 3"),
            "bad.toml:7: models.gpt-image-2.options.stps: is none of pipeline, with_image",
        ),
        (
            'adapter = "comfyui"\n[models."gpt-image-2"]\nupstream = "none.json"\n',
            "bad.toml:3: models.gpt-image-2.upstream: none.json cannot be read",
        ),
    ],
)
def test_a_bad_file_is_named_with_its_line_and_the_others_go_on(
    tmp_path: Path, text: str, told: str
):
    setup = set_up(tmp_path, ark='adapter = "byteplus"\n', bad=text)
    assert [config.name for config in setup.configs] == ["ark"]
    (problem,) = setup.problems
    assert told in str(problem)


def test_a_comfyui_reads_its_workflow_from_beside_its_file(tmp_path: Path):
    text = (
        'adapter = "comfyui"\n[models."gpt-image-2"]\nupstream = "flux.json"\n'
        '[models."gpt-image-2".options.bind]\nprompt = "6.text"\n'
    )
    (tmp_path / "config" / "providers").mkdir(parents=True)
    (tmp_path / "config" / "providers" / "flux.json").write_text(json.dumps(GRAPH))
    setup = set_up(tmp_path, comfy=text)
    assert setup.problems == ()
    keys: dict[str, str] = {}
    provider = providers_of(setup, parts(lambda name: keys.get(name, "")))["comfy"]
    assert isinstance(provider, ComfyUIProvider)
    assert set(provider.workflows) == {"flux.json"}
    assert provider.server.site().base_url == "http://127.0.0.1:8188"
    assert provider.server.headers() == {}
    keys["comfy"] = "in-front"
    assert provider.server.headers() == {"Authorization": "Bearer in-front"}, "used at once"
    (route,) = routes_of(setup, builtin()).by_model["gpt-image-2"]
    assert (route.upstream_model, route.order) == ("flux.json", 1)


def test_diffusers_has_a_queue_of_its_own_and_takes_on_what_it_can_begin_soon(tmp_path: Path):
    text = DIFFUSERS.format(devices='["cuda:0", "cuda:1"]', options="steps = 20")
    setup = set_up(tmp_path, gpu=text, ark='adapter = "byteplus"\n')
    assert setup.problems == ()
    provider = providers_of(setup, parts())["gpu"]
    assert isinstance(provider, DiffusersProvider)
    assert provider.setup.directories == {"flux": tmp_path / "config" / "providers" / "flux"}
    assert provider.setup.devices == ("cuda:0", "cuda:1")
    (route,) = routes_of(setup, builtin()).by_model["gpt-image-2"]
    assert (route.upstream_model, route.order, route.queue) == ("flux", 1, "diffusers")
    assert route.options == {"steps": 20}
    assert tasks_at_once(setup, 5000) == {"diffusers": 10, "hosted": 5000}


OFFICIAL = BYTEPLUS.base_url


@pytest.mark.parametrize("place", ["", f'base_url = "{OFFICIAL}/"', f'base_url = "{OFFICIAL}/v9"'])
def test_the_key_is_the_providers_own_or_its_adapters(tmp_path: Path, place: str):
    setup = set_up(tmp_path, ark=f'adapter = "byteplus"\n{place}\n')
    keys = {"byteplus": "of the adapter"}
    provider = providers_of(setup, parts(lambda name: keys.get(name, "")))["ark"]
    assert isinstance(provider, HostedProvider)
    assert provider.site().key == "of the adapter"
    keys["ark"] = "its own"
    assert provider.site().key == "its own", "a key that changes is used at once"
    assert provider.site().base_url.startswith(OFFICIAL)


@pytest.mark.parametrize(
    "place",
    [
        "https://ark.example/api/v3/",
        OFFICIAL.replace("https", "http"),
        OFFICIAL.replace(".com", ".com:8443"),
        OFFICIAL.replace(".com", ".com.example"),
    ],
)
def test_an_adapters_key_goes_nowhere_else_unless_the_file_names_it(tmp_path: Path, place: str):
    text = f'adapter = "byteplus"\nbase_url = "{place}"\n'
    setup = set_up(tmp_path, proxy=text, named=f'{text}key_name = "byteplus"\n', byteplus=text)
    keys = {"byteplus": "of the adapter"}
    made = providers_of(setup, parts(lambda name: keys.get(name, "")))
    found = {name: one.site().key for name, one in made.items() if isinstance(one, HostedProvider)}
    assert found == {"proxy": "", "named": "of the adapter", "byteplus": "of the adapter"}
    keys["proxy"] = "its own"
    proxy = made["proxy"]
    assert isinstance(proxy, HostedProvider)
    assert proxy.site().key == "its own"


def test_callbacks_are_read_by_the_adapter_of_the_provider(tmp_path: Path):
    setup = set_up(tmp_path, ark='adapter = "byteplus"\n')
    assert claims_of(setup)["ark"]({"id": "cgt-1"}) == "cgt-1"


def test_an_operators_own_adapters_can_be_named(tmp_path: Path):
    environment = {"KINETOSCOPE_ADAPTERS": "tests.providers.wire_faulty"}
    setup = set_up(tmp_path, environment, mine='adapter = "lookup"\n')
    assert setup.problems == ()
    with pytest.raises(SettingInvalid, match=r"KINETOSCOPE_ADAPTERS: no\.such\.module: "):
        adapters_of(("no.such.module",))


def test_every_adapter_names_its_source_and_a_route_for_models_that_exist():
    known = builtin().models_by_id
    for adapter in OWN_ADAPTERS:
        assert adapter.docs.startswith(("https://", "docs/")), adapter.name
        assert set(adapter.models) <= set(known), adapter.name
        assert adapter.base_url.startswith("http"), adapter.name
    assert len({adapter.name for adapter in OWN_ADAPTERS}) == len(OWN_ADAPTERS)


def test_what_says_no_in_the_500s_has_a_page_that_says_so():
    told = {adapter.name: adapter.refusals for adapter in OWN_ADAPTERS if adapter.refusals}
    # https://docs.dev.runwayml.com/errors/errors: "Runway is shedding load"
    assert told == {"runway": {502, 503}}


@pytest.mark.parametrize(
    ("text", "withheld"),
    [
        ('adapter = "byteplus"\nwieght = 3\n', set(BYTEPLUS.models)),
        ('adapter = "byteplus"\n[models.seedance-20]\nupsteam = "x"\n', {"seedance-20"}),
        ('adapter = "comfyui"\n[models.gpt-image-2]\nupstream = "none.json"\n', {"gpt-image-2"}),
        ('adapter = "byteplus\n', None),
        ('adapter = "sora"\n', None),
        ('adapter = 3\nmodels = "all"\n', None),
    ],
)
def test_while_a_file_cannot_be_used_no_preview_stands_in_for_what_it_may_make(
    tmp_path: Path, text: str, withheld: set[str] | None
):
    setup = set_up(tmp_path, bad=text, el='adapter = "elevenlabs"\n')
    assert len(setup.problems) == 1
    routes = routes_of(setup, builtin())
    for model, listed in routes.by_model.items():
        if model in ELEVENLABS.models:
            assert [route.provider for route in listed] == ["el"], "others go on"
        elif withheld is None or model in withheld:
            assert listed == (), model
        else:
            assert listed == (EMBEDDED,), model


def test_a_folder_that_cannot_be_read_withholds_every_model(tmp_path: Path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "providers").write_text("no folder")
    routes = routes_of(setup_of(settings(tmp_path), builtin()), builtin())
    assert set(routes.by_model.values()) == {()}


def test_a_key_sets_nothing_up_where_a_file_of_that_name_cannot_be_used(tmp_path: Path):
    setup = set_up(tmp_path, BYTEPLUS_KEY, byteplus='base_url = "https://eu.example"\n')
    assert setup.configs == (), "it would go to another place than the operator wants"
    assert set(routes_of(setup, builtin()).by_model.values()) == {()}
