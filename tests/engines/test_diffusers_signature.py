"""What the diffusers engine decides before anything is loaded: these need no torch."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.engines.diffusion import CLIP, ORDER, SOUND, STEPS, engine, fetched, job

from kinetoscope.kernel.order import JSON, MediaKind, Role, Size
from kinetoscope.providers.contract import Job, Kind, Refused
from kinetoscope.providers.diffusers import encode, outputs
from kinetoscope.providers.diffusers.desk import SKIPS_MAX, Commission, Desk
from kinetoscope.providers.diffusers.directory import DirectoryInvalid, class_name_of
from kinetoscope.providers.diffusers.making import (
    Loading,
    Making,
    decode_making,
    encode_making,
)
from kinetoscope.providers.diffusers.mapping import (
    Factors,
    Unfit,
    frames_for,
    making_of,
    measures,
    media_of,
)
from kinetoscope.providers.diffusers.options import (
    OptionInvalid,
    engine_options,
    model_options,
)
from kinetoscope.providers.diffusers.process import Engine
from kinetoscope.providers.diffusers.signature import Signature, signature_of

LIBRARY = """
class WanPipeline(DiffusionPipeline):
    def __call__(self, prompt: str | None = None, negative_prompt: str = None, height: int = 480,
                 width: int = 832, num_frames: int = 81, num_inference_steps: int = 50,
                 guidance_scale: float = 5.0, generator=None, output_type: str | None = "np"): ...

class WanImageToVideoPipeline(DiffusionPipeline):
    def __call__(self, image: PipelineImageInput, prompt: str = None, height: int = 480,
                 width: int = 832, num_frames: int = 81, generator=None,
                 last_image: PipelineImageInput | None = None, output_type: str = "np"): ...

class LTXPipeline(DiffusionPipeline):
    def __call__(self, prompt: str = None, height: int = 512, width: int = 704,
                 num_frames: int = 161, frame_rate: int = 25, generator=None): ...

class StableAudioPipeline(DiffusionPipeline):
    def __call__(self, prompt=None, audio_end_in_s: float | None = None, generator=None): ...

class Flux2Pipeline(DiffusionPipeline):
    def __call__(self, image: list[PIL.Image.Image] | PIL.Image.Image | None = None, prompt=None,
                 height: int | None = None, width: int | None = None, *, generator=None): ...

class StableDiffusionImg2ImgPipeline(DiffusionPipeline):
    def __call__(self, prompt=None, image: PipelineImageInput = None, strength: float = 0.8): ...
"""
Numbers = NDArray[np.float64]
LOADING = Loading(
    directory="/models/x", class_name="X", dtype="", variant="", offload="none", tiling=False
)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "diffusers"
    (folder / "pipelines" / "some").mkdir(parents=True)
    (folder / "pipelines" / "some" / "pipeline_some.py").write_text(LIBRARY)
    return folder


def signature(library: Path, name: str) -> Signature:
    found = signature_of(name, library)
    assert found is not None
    return found


def making(library: Path, name: str, asked: Job) -> tuple[Making, tuple[str, ...]]:
    options = model_options(asked.options)
    return making_of(asked, options, signature(library, name), LOADING, Path("/scratch"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("WanPipeline", MediaKind.VIDEO),
        ("LTXPipeline", MediaKind.VIDEO),
        ("StableAudioPipeline", MediaKind.AUDIO),
        ("Flux2Pipeline", MediaKind.IMAGE),
    ],
)
def test_the_call_says_what_comes_out(library: Path, name: str, kind: MediaKind):
    assert signature(library, name).kind is kind


def test_a_class_that_is_not_there_has_no_call(library: Path):
    assert signature_of("NoSuchPipeline", library) is None


def test_a_clip_is_called_with_all_that_its_call_has_a_name_for(library: Path, tmp_path: Path):
    order = replace(
        CLIP, duration_s=5, size=Size(width=1280, height=720), inputs={"negative_prompt": "blur"}
    )
    options = {"steps": 30, "guidance": 4.5, "arguments": {"max_sequence_length": 512}}
    made, ignored = making(library, "WanPipeline", job(tmp_path, "t", order, "video", options))
    assert made.arguments == {
        "prompt": "a fox runs through snow",
        "negative_prompt": "blur",
        "num_inference_steps": 30,
        "guidance_scale": 4.5,
        "output_type": "np",
    }
    assert ignored == ("max_sequence_length",), "and what it has none for is named, not passed"
    assert made.fps == 16
    factors = Factors(multiple=32, temporal=4)
    assert measures(made, signature(library, "WanPipeline"), factors) == {
        "width": 1280,
        "height": 736,
        "num_frames": 81,
    }
    finer = replace(made, size_multiple=16)
    assert measures(finer, signature(library, "WanPipeline"), factors)["height"] == 720


def test_a_rate_goes_where_the_call_takes_one(library: Path, tmp_path: Path):
    order = replace(CLIP, duration_s=4)
    made, _ = making(library, "LTXPipeline", job(tmp_path, "t", order, options={}))
    assert (made.fps, made.arguments["frame_rate"]) == (25, 25)
    slower, _ = making(library, "LTXPipeline", job(tmp_path, "t", order, options={"fps": 12}))
    assert (slower.fps, slower.arguments["frame_rate"]) == (12, 12)
    factors = Factors(multiple=32, temporal=8)
    assert measures(slower, signature(library, "LTXPipeline"), factors)["num_frames"] == 49


def test_a_sound_has_a_length_and_no_size(library: Path, tmp_path: Path):
    order = replace(SOUND, duration_s=9)
    made, ignored = making(library, "StableAudioPipeline", job(tmp_path, "t", order, options={}))
    sound = signature(library, "StableAudioPipeline")
    assert measures(made, sound, Factors(multiple=32, temporal=4)) == {"audio_end_in_s": 9.0}
    assert (made.arguments, ignored) == ({"prompt": "a fox runs through snow"}, ())


def test_fields_of_the_operators_own_models_go_where_he_says(library: Path, tmp_path: Path):
    order = replace(ORDER, inputs={"prompt": "x", "blend": 0.4, "mood": "dark"})
    options = {"inputs": {"blend": "strength", "mood": "mood"}}
    asked = job(tmp_path, "t", order, options=options)
    asked = replace(asked, references=(fetched(tmp_path / "a.png"),))
    made, ignored = making(library, "StableDiffusionImg2ImgPipeline", asked)
    assert made.arguments["strength"] == 0.4
    assert ignored == ("height", "mood", "width")


def test_another_kind_is_not_made(library: Path, tmp_path: Path):
    with pytest.raises(Unfit, match="makes video, not image"):
        making(library, "WanPipeline", job(tmp_path, "t", ORDER, options={}))


def test_references_have_their_places_or_the_job_is_unfit(library: Path, tmp_path: Path):
    first = fetched(tmp_path / "a.png", role=Role.FIRST_FRAME)
    last = fetched(tmp_path / "b.png", role=Role.LAST_FRAME)
    clip = fetched(tmp_path / "c.mp4", MediaKind.VIDEO, Role.SOURCE)
    frames = signature(library, "WanImageToVideoPipeline")
    flux = signature(library, "Flux2Pipeline")
    places = [(medium.argument, medium.many) for medium in media_of((first, last), frames)]
    assert places == [("image", False), ("last_image", False)]
    many = [medium.many for medium in media_of((fetched(tmp_path / "a.png"),) * 3, flux)]
    assert many == [True, True, True]
    for references, call, words in (
        ((), frames, "cannot do without image"),
        ((), signature(library, "StableDiffusionImg2ImgPipeline"), "cannot do without image"),
        ((first, first), frames, "takes one image only"),
        ((first,), signature(library, "WanPipeline"), "has no place for this image"),
        ((first, last), flux, r"has no place for this image \(last_frame\)"),
        ((clip,), frames, "has no place for this video"),
    ):
        with pytest.raises(Unfit, match=words):
            media_of(references, call)
    assert media_of((), flux) == (), "what may be missing may be missing"


@pytest.mark.parametrize(
    ("duration_s", "fps", "temporal", "frames"),
    [(5, 16, 4, 81), (5, 24, 8, 121), (1, 25, 8, 25), (0.01, 16, 4, 5), (2, 8, 1, 17)],
)
def test_frames_are_what_the_model_can_make(
    duration_s: float, fps: float, temporal: int, frames: int
):
    assert frames_for(duration_s, fps, temporal) == frames


def test_a_job_survives_the_way_to_its_process(library: Path, tmp_path: Path):
    asked = job(tmp_path, "t", CLIP, "video", STEPS)
    first = fetched(tmp_path / "a.png", role=Role.FIRST_FRAME)
    made, _ = making(library, "WanImageToVideoPipeline", replace(asked, references=(first,)))
    assert decode_making(json.loads(encode_making(made))["make"]) == made


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"stepps": 3}, "stepps"),
        ({"steps": 0}, "steps"),
        ({"steps": True}, "steps"),
        ({"guidance": "much"}, "guidance"),
        ({"dtype": "int8"}, "dtype"),
        ({"offload": "disk"}, "offload"),
        ({"pipeline": "os.system"}, "pipeline"),
        ({"arguments": {"generator": 1}}, "arguments"),
        ({"arguments": ["x"]}, "arguments"),
        ({"inputs": {"a": 1}}, "inputs"),
        ({"tiling": 1}, "tiling"),
        ({"fps": 0}, "fps"),
    ],
)
def test_an_option_that_cannot_be_is_named(options: Mapping[str, JSON], name: str):
    with pytest.raises(OptionInvalid) as caught:
        model_options(options)
    assert caught.value.name == name


def test_devices_are_torchs_names():
    assert engine_options({}).devices == ("cuda:0",)
    assert engine_options({"devices": ["cuda:1", "cpu"], "keep": 2}).keep == 2
    for devices in ([], "cuda:0", ["gpu"], ["cuda:0", "cuda:0"], ["cuda:0; rm"], [0]):
        with pytest.raises(OptionInvalid, match="devices"):
            engine_options({"devices": devices})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "names no class"),
        ('{"_class_name": ["pipeline", "Own"]}', "names no class"),
    ],
)
def test_a_directory_that_holds_no_pipeline_is_named(
    tmp_path: Path, content: str | None, words: str
):
    if content is not None:
        (tmp_path / "model_index.json").write_text(content)
    with pytest.raises(DirectoryInvalid, match=words):
        class_name_of(tmp_path)


def test_weights_that_can_run_programs_are_refused_before_anything_reads_them(tmp_path: Path):
    index = {"_class_name": "WanPipeline", "vae": ["diffusers", "AutoencoderKLWan"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "diffusion_pytorch_model.bin").touch()
    with pytest.raises(DirectoryInvalid, match="can run programs"):
        class_name_of(tmp_path)
    (tmp_path / "vae" / "diffusion_pytorch_model.safetensors").touch()
    assert class_name_of(tmp_path) == "WanPipeline"


@pytest.mark.anyio
async def test_without_the_extra_it_says_so_and_refuses(tmp_path: Path):
    async with engine(tmp_path, tmp_path, needed=("json", "no_such_package")) as provider:
        condition = await provider.check()
        assert not condition.works
        assert condition.says == "needs kinetoscope[diffusers]: no_such_package not installed"
        refused = await provider.submit(job(tmp_path, "task_1"))
        assert isinstance(refused, Refused)
        assert refused.kind is Kind.UNSUPPORTED
    assert not (tmp_path / "engine").exists(), "nothing was begun"


def test_the_workers_process_imports_no_library_that_makes_media():
    program = (
        "import sys, kinetoscope.providers.diffusers.provider; "
        "print(sorted({'torch', 'diffusers', 'transformers', 'av', 'numpy', 'PIL'} "
        "& set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def commission(loading: Loading, number: int, *, may_wait: bool = False) -> Commission:
    made = Making(
        task_id=f"task_{number}",
        folder="/nowhere",
        loading=loading,
        call_as="X",
        kind=MediaKind.IMAGE,
        arguments={},
        width=0,
        height=0,
        duration_s=0,
        fps=16,
        size_multiple=None,
        count=1,
        seed=0,
        audio=False,
        last_frame=False,
        file_format="png",
        media=(),
    )
    return Commission(making=made, may_wait=may_wait)


def test_a_device_goes_on_with_what_it_has_loaded_but_not_for_ever(tmp_path: Path):
    device = Engine(device="cpu", keep=1, folder=tmp_path)
    device.loaded = frozenset({LOADING})
    desk = Desk((device,))
    other = commission(replace(LOADING, directory="/models/y"), 0)
    desk.waiting = [other, *(commission(LOADING, number) for number in range(1, 20))]
    order = []
    while other in desk.waiting:
        chosen = desk._next_for(device)
        assert chosen is not None
        desk.waiting.remove(chosen)
        order.append(chosen.making.task_id)
    assert order == [*(f"task_{number}" for number in range(1, SKIPS_MAX + 1)), "task_0"]


def test_what_may_wait_does(tmp_path: Path):
    desk = Desk((Engine(device="cpu", keep=1, folder=tmp_path),))
    desk.waiting = [commission(LOADING, 1, may_wait=True), commission(LOADING, 2)]
    chosen = desk._next_for(desk.engines[0])
    assert chosen is desk.waiting[1]


class Result:
    """What pipelines with pictures and sound return."""

    def __init__(self, frames: Numbers, audio: Numbers | None = None) -> None:
        self.frames = frames
        self.audio = audio


class Sounding:
    """A pipeline, as far as its sound goes."""

    class Vocoder:
        class config:  # noqa: N801 - as the library calls it
            output_sampling_rate = 16_000

    vocoder = Vocoder()


def test_a_sound_track_is_written_where_one_is_wanted(tmp_path: Path):
    rng = np.random.default_rng(1)
    result = Result(rng.random((1, 17, 64, 96, 3)), rng.random((1, 2, 17_000)) - 0.5)
    asked = replace(
        commission(LOADING, 1).making, kind=MediaKind.VIDEO, width=90, height=50, audio=True
    )
    arguments = {"width": 96, "height": 64}
    made = outputs.write(tmp_path / "a", asked, arguments, result, (Sounding(), 3))
    with av.open(str(made.path)) as container:
        (picture,), (voice,) = container.streams.video, container.streams.audio
        assert (picture.codec.name, picture.pix_fmt) == ("h264", "yuv420p")
        assert (picture.width, picture.height) == (90, 50)
        assert picture.average_rate == 16
        assert (voice.codec.name, voice.rate, voice.channels) == ("aac", 48_000, 2)
        assert sum(1 for _ in container.decode(picture)) == 17
    content = made.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "playing begins at once"
    silent = replace(asked, audio=False)
    made = outputs.write(tmp_path / "b", silent, arguments, result, (Sounding(), 3))
    with av.open(str(made.path)) as container:
        assert not container.streams.audio


@pytest.mark.parametrize("word", ["png", "jpeg", "webp"])
def test_pictures_come_as_ordered(tmp_path: Path, word: str):
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    encode.write_picture(tmp_path / "a", picture, word)
    starts = {"png": b"\x89PNG", "jpeg": b"\xff\xd8", "webp": b"RIFF"}
    assert (tmp_path / "a").read_bytes().startswith(starts[word])


def test_numbers_that_are_none_are_no_picture():
    black = np.full((1, 8, 8, 3), np.nan)
    with pytest.raises(outputs.NothingMade, match="another dtype"):
        list(outputs.pictures_of(black))
    with pytest.raises(outputs.NothingMade):
        outputs.sound_of(np.full((1, 2, 100), np.inf))
