# What the built-in models take. Written by `python -m tests.client.generate`: do not edit.
# mypy: disable-error-code="overload-overlap"

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import (
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    Required,
    TypeAlias,
    TypedDict,
    TypeVar,
    overload,
)

from typing_extensions import deprecated

from kinetoscope.client.values import File

_S = TypeVar("_S")
_P = ParamSpec("_P")
_R = TypeVar("_R")
_R_co = TypeVar("_R_co", covariant=True)

# What a call with a wrong input comes to, for type checkers: of no use to anybody.
class InputsDoNotFitThisModel: ...

BuiltinModel: TypeAlias = Literal[
    "gpt-image-2.5-sunburst",
    "gpt-image-2.5-flare",
    "gpt-image-2",
    "kinetoscope-soundscape",
    "midjourney-v8",
    "midjourney-v7-niji",
    "midjourney-v7",
    "nanobanana2",
    "nanobanana-pro",
    "seedance-20",
    "seedance2-fast",
    "seedance2.0-mini",
    "seedance2-5",
    "seedance2-5-edit",
    "seedance2-5-extend",
    "seedream-5.0-pro",
    "wan3.0-text-to-video",
    "wan3.0-image-to-video",
    "wan3.0-ref-to-video",
    "wan3.0-prime-text-to-video",
    "wan3.0-prime-image-to-video",
    "wan3.0-prime-ref-to-video",
]

# GPT Image 2.5 Sunburst
class GptImage25SunburstInputs(TypedDict, total=False):
    prompt: Required[str]
    uploadedUrls: Sequence[File] | PathLike[str]
    aspectRatio: Literal["auto", "1:1", "4:3", "3:4", "16:9", "9:16"]
    resolution: Literal["1k", "2k", "4k"]
    quality: Literal["low", "medium", "high", "xhigh", "max"]
    outputFormat: Literal["png", "jpeg"]
    background: Literal["auto", "transparent", "opaque"]
    outputCompression: int

# GPT Image 2.5 Flare
class GptImage25FlareInputs(TypedDict, total=False):
    prompt: Required[str]
    uploadedUrls: Sequence[File] | PathLike[str]
    aspectRatio: Literal["auto", "1:1", "4:3", "3:4", "16:9", "9:16"]
    resolution: Literal["1k", "2k", "4k"]
    quality: Literal["low", "medium", "high", "xhigh", "max"]
    outputFormat: Literal["png", "jpeg"]
    background: Literal["auto", "transparent", "opaque"]
    outputCompression: int

# GPT Image 2
class GptImage2Inputs(TypedDict, total=False):
    prompt: Required[str]
    uploadedUrls: Sequence[File] | PathLike[str]
    aspectRatio: Literal["auto", "1:1", "4:3", "3:4", "16:9", "9:16"]
    resolution: Literal["1k", "2k", "4k"]
    quality: Literal["low", "medium", "high"]
    outputFormat: Literal["png", "jpeg"]
    background: Literal["auto", "opaque"]

# Kinetoscope Soundscape
class KinetoscopeSoundscapeInputs(TypedDict, total=False):
    prompt: Required[str]
    duration: int
    seed: int

# Midjourney V8
class MidjourneyV8Inputs(TypedDict, total=False):
    prompt: Required[str]
    uploadedUrls: Sequence[File] | PathLike[str]
    aspectRatio: Literal["1:1", "3:2", "2:3", "4:3", "3:4", "4:5", "5:4", "16:9", "9:16", "21:9"]
    stylize: int
    chaos: int
    weird: int
    quality: float
    style: Literal["raw"]
    no: str
    seed: int
    autoFix: bool

# Midjourney Niji V7
class MidjourneyV7NijiInputs(TypedDict, total=False):
    prompt: Required[str]
    uploadedUrls: Sequence[File] | PathLike[str]
    aspectRatio: Literal["1:1", "3:2", "2:3", "4:3", "3:4", "4:5", "5:4", "16:9", "9:16", "21:9"]
    stylize: int
    chaos: int
    weird: int
    quality: float
    style: Literal["raw"]
    no: str
    seed: int
    autoFix: bool

# Midjourney V7
class MidjourneyV7Inputs(TypedDict, total=False):
    prompt: Required[str]
    uploadedUrls: Sequence[File] | PathLike[str]
    aspectRatio: Literal["1:1", "3:2", "2:3", "4:3", "3:4", "4:5", "5:4", "16:9", "9:16", "21:9"]
    stylize: int
    chaos: int
    weird: int
    quality: float
    style: Literal["raw"]
    no: str
    seed: int
    autoFix: bool

# NanoBanana 2
class Nanobanana2Inputs(TypedDict, total=False):
    prompt: Required[str]
    uploadedUrls: Sequence[File] | PathLike[str]
    aspectRatio: Literal["1:1", "4:3", "3:4", "16:9", "9:16"]
    resolution: Literal["2k", "4k"]

# Nano Banana Pro
class NanobananaProInputs(TypedDict, total=False):
    prompt: Required[str]
    uploadedUrls: Sequence[File] | PathLike[str]
    aspectRatio: Literal["1:1", "4:3", "3:4", "16:9", "9:16"]
    resolution: Literal["1k", "2k", "4k"]

# Seedance 2.0
class Seedance20Inputs(TypedDict, total=False):
    prompt: Required[str]
    imageUrls: Sequence[File] | PathLike[str]
    videoUrls: Sequence[File] | PathLike[str]
    audioUrls: Sequence[File] | PathLike[str]
    mode: Literal["keyframe", "reference"]
    duration: int
    outputResolution: Literal["480p", "720p", "1080p", "4k"]
    aspectRatio: Literal["16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "adaptive"]
    generate_audio: bool
    bitrate_mode: Literal["high"]
    seed: int

# Seedance 2.0 Fast
class Seedance2FastInputs(TypedDict, total=False):
    prompt: Required[str]
    imageUrls: Sequence[File] | PathLike[str]
    videoUrls: Sequence[File] | PathLike[str]
    audioUrls: Sequence[File] | PathLike[str]
    mode: Literal["keyframe", "reference"]
    duration: int
    outputResolution: Literal["480p", "720p"]
    aspectRatio: Literal["16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "adaptive"]
    generate_audio: bool
    bitrate_mode: Literal["high"]
    seed: int

# Seedance 2.0 Mini
class Seedance20MiniInputs(TypedDict, total=False):
    prompt: Required[str]
    imageUrls: Sequence[File] | PathLike[str]
    videoUrls: Sequence[File] | PathLike[str]
    audioUrls: Sequence[File] | PathLike[str]
    mode: Literal["keyframe", "reference"]
    duration: int
    outputResolution: Literal["480p", "720p"]
    aspectRatio: Literal["16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "adaptive"]
    generate_audio: bool
    bitrate_mode: Literal["high"]
    seed: int

# Seedance 2.5
class Seedance25Inputs(TypedDict, total=False):
    prompt: Required[str]
    videoUrls: Sequence[File] | PathLike[str]
    imageUrls: Sequence[File] | PathLike[str]
    audioUrls: Sequence[File] | PathLike[str]
    outputResolution: Literal["480p", "720p", "1080p"]
    generate_audio: bool
    bitrate_mode: Literal["high"]
    output_format: Literal["mp4", "mov"]
    seed: int
    mode: Literal["keyframe", "reference"]
    duration: int
    aspectRatio: Literal["16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "adaptive"]

# Seedance 2.5 Edit
class Seedance25EditInputs(TypedDict, total=False):
    prompt: Required[str]
    videoUrls: Required[Sequence[File] | PathLike[str]]
    imageUrls: Sequence[File] | PathLike[str]
    audioUrls: Sequence[File] | PathLike[str]
    outputResolution: Literal["480p", "720p", "1080p"]
    generate_audio: bool
    bitrate_mode: Literal["high"]
    output_format: Literal["mp4", "mov"]
    seed: int

# Seedance 2.5 Extend
class Seedance25ExtendInputs(TypedDict, total=False):
    prompt: Required[str]
    videoUrls: Required[Sequence[File] | PathLike[str]]
    imageUrls: Sequence[File] | PathLike[str]
    audioUrls: Sequence[File] | PathLike[str]
    outputResolution: Literal["480p", "720p", "1080p"]
    generate_audio: bool
    bitrate_mode: Literal["high"]
    output_format: Literal["mp4", "mov"]
    seed: int
    duration: Required[int]

# Seedream 5.0 Pro
class Seedream50ProInputs(TypedDict, total=False):
    prompt: Required[str]
    uploadedUrls: Sequence[File] | PathLike[str]
    aspectRatio: Literal["auto", "1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "21:9"]
    resolution: Literal["1k", "2k"]
    outputFormat: Literal["png", "jpeg"]

# Wan 3.0 Text to video
class Wan30TextToVideoInputs(TypedDict, total=False):
    prompt: Required[str]
    duration: int
    outputResolution: Literal["480p", "720p", "1080p"]
    aspectRatio: Literal["16:9", "9:16", "4:3", "3:4", "1:1"]
    audio: bool
    seed: int

# Wan 3.0 Image to video
class Wan30ImageToVideoInputs(TypedDict, total=False):
    prompt: Required[str]
    duration: int
    outputResolution: Literal["480p", "720p", "1080p"]
    aspectRatio: Literal["16:9", "9:16", "4:3", "3:4", "1:1", "adaptive"]
    audio: bool
    seed: int
    imageUrls: Required[Sequence[File] | PathLike[str]]

# Wan 3.0 Reference to video
class Wan30RefToVideoInputs(TypedDict, total=False):
    prompt: Required[str]
    duration: int
    outputResolution: Literal["480p", "720p", "1080p"]
    aspectRatio: Literal["16:9", "9:16", "4:3", "3:4", "1:1"]
    audio: bool
    seed: int
    imageUrls: Sequence[File] | PathLike[str]
    videoUrls: Sequence[File] | PathLike[str]
    audioUrls: Sequence[File] | PathLike[str]

# Wan 3.0 Prime Text to video
class Wan30PrimeTextToVideoInputs(TypedDict, total=False):
    prompt: Required[str]
    duration: int
    outputResolution: Literal["480p", "720p", "1080p"]
    aspectRatio: Literal["16:9", "9:16", "4:3", "3:4", "1:1"]
    audio: bool
    seed: int

# Wan 3.0 Prime Image to video
class Wan30PrimeImageToVideoInputs(TypedDict, total=False):
    prompt: Required[str]
    duration: int
    outputResolution: Literal["480p", "720p", "1080p"]
    aspectRatio: Literal["16:9", "9:16", "4:3", "3:4", "1:1", "adaptive"]
    audio: bool
    seed: int
    imageUrls: Required[Sequence[File] | PathLike[str]]

# Wan 3.0 Prime Reference to video
class Wan30PrimeRefToVideoInputs(TypedDict, total=False):
    prompt: Required[str]
    duration: int
    outputResolution: Literal["480p", "720p", "1080p"]
    aspectRatio: Literal["16:9", "9:16", "4:3", "3:4", "1:1"]
    audio: bool
    seed: int
    imageUrls: Sequence[File] | PathLike[str]
    videoUrls: Sequence[File] | PathLike[str]
    audioUrls: Sequence[File] | PathLike[str]

# A call that knows what each built-in model takes; of others it takes anything.
class ByModel(Protocol[_P, _R_co]):
    @overload
    def __call__(
        self,
        model: Literal["gpt-image-2.5-sunburst"],
        inputs: GptImage25SunburstInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["gpt-image-2.5-flare"],
        inputs: GptImage25FlareInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["gpt-image-2"],
        inputs: GptImage2Inputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["kinetoscope-soundscape"],
        inputs: KinetoscopeSoundscapeInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["midjourney-v8"],
        inputs: MidjourneyV8Inputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["midjourney-v7-niji"],
        inputs: MidjourneyV7NijiInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["midjourney-v7"],
        inputs: MidjourneyV7Inputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["nanobanana2"],
        inputs: Nanobanana2Inputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["nanobanana-pro"],
        inputs: NanobananaProInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["seedance-20"],
        inputs: Seedance20Inputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["seedance2-fast"],
        inputs: Seedance2FastInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["seedance2.0-mini"],
        inputs: Seedance20MiniInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["seedance2-5"],
        inputs: Seedance25Inputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["seedance2-5-edit"],
        inputs: Seedance25EditInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["seedance2-5-extend"],
        inputs: Seedance25ExtendInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["seedream-5.0-pro"],
        inputs: Seedream50ProInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["wan3.0-text-to-video"],
        inputs: Wan30TextToVideoInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["wan3.0-image-to-video"],
        inputs: Wan30ImageToVideoInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["wan3.0-ref-to-video"],
        inputs: Wan30RefToVideoInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["wan3.0-prime-text-to-video"],
        inputs: Wan30PrimeTextToVideoInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["wan3.0-prime-image-to-video"],
        inputs: Wan30PrimeImageToVideoInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    def __call__(
        self,
        model: Literal["wan3.0-prime-ref-to-video"],
        inputs: Wan30PrimeRefToVideoInputs,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R_co: ...
    @overload
    @deprecated("These inputs do not fit this model")
    def __call__(
        self, model: BuiltinModel, inputs: Mapping[str, object], *args: _P.args, **kwargs: _P.kwargs
    ) -> InputsDoNotFitThisModel: ...
    @overload
    def __call__(
        self, model: str, inputs: Mapping[str, object], *args: _P.args, **kwargs: _P.kwargs
    ) -> _R_co: ...

# A method of a client that takes a model and its inputs.
class Method(Generic[_S, _P, _R]):
    def __get__(self, instance: _S, owner: type[_S] | None = None) -> ByModel[_P, _R]: ...

def by_model(
    function: Callable[Concatenate[_S, str, Mapping[str, Any], _P], _R],
) -> Method[_S, _P, _R]: ...
