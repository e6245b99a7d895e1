"""Tiny random pipelines, made from the library's own classes: `python -m ... FOLDER`.

In a process of its own, so that no test's process imports torch. They know nothing, but everything
around their weights is real. Nothing is fetched.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from typing_extensions import override

Made = Any
"""Something of a library that has no types."""

WORDS = "a fox runs through deep snow at night while rain falls on the quiet city ."


def _tokenizer() -> Made:
    library, transformers = import_module("tokenizers"), import_module("transformers")
    made = library.Tokenizer(library.models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = library.pre_tokenizers.Whitespace()
    trainer = library.trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<pad>", "</s>", "<unk>"], show_progress=False
    )
    made.train_from_iterator([WORDS], trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=64,
    )


def _text_encoder() -> Made:
    transformers = import_module("transformers")
    config = transformers.T5Config(
        vocab_size=320, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4
    )
    return transformers.T5EncoderModel(config).eval()


def image() -> Made:
    """Stable Diffusion."""
    diffusers, transformers = import_module("diffusers"), import_module("transformers")
    config = transformers.CLIPTextConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=0,
        eos_token_id=1,
    )
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = {name: number for number, name in enumerate(names)}
    return diffusers.StableDiffusionPipeline(
        vae=diffusers.AutoencoderKL(
            block_out_channels=(4, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=4,
            norm_num_groups=2,
        ),
        text_encoder=transformers.CLIPTextModel(config).eval(),
        tokenizer=transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77),
        unet=diffusers.UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(4, 8),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=32,
            attention_head_dim=4,
            norm_num_groups=2,
        ),
        scheduler=diffusers.DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def video() -> Made:
    """Wan, text to video."""
    diffusers = import_module("diffusers")
    return diffusers.WanPipeline(
        tokenizer=_tokenizer(),
        text_encoder=_text_encoder(),
        vae=diffusers.AutoencoderKLWan(
            base_dim=3,
            z_dim=16,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        transformer=_wan_transformer(16),
    )


def first_frame() -> Made:
    """Wan, image to video, of the kind without an image encoder."""
    diffusers = import_module("diffusers")
    parts = {**video().components, "transformer": _wan_transformer(36)}
    return diffusers.WanImageToVideoPipeline(
        **{name: part for name, part in parts.items() if name != "transformer_2"}
    )


def _wan_transformer(channels: int) -> Made:
    return import_module("diffusers").WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=channels,
        out_channels=16,
        text_dim=32,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )


def clip() -> Made:
    """LTX-Video, whose call takes a frame rate."""
    diffusers = import_module("diffusers")
    return diffusers.LTXPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=diffusers.AutoencoderKLLTXVideo(
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
        ),
        text_encoder=_text_encoder(),
        tokenizer=_tokenizer(),
        transformer=diffusers.LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=4,
            attention_head_dim=8,
            cross_attention_dim=32,
            num_layers=1,
            caption_channels=32,
        ),
    )


def audio() -> Made:
    """Stable Audio, 8 kHz, two seconds at most."""
    diffusers = import_module("diffusers")
    projection = import_module("diffusers.pipelines.stable_audio").StableAudioProjectionModel
    return diffusers.StableAudioPipeline(
        vae=diffusers.AutoencoderOobleck(
            encoder_hidden_size=6,
            downsampling_ratios=[4, 10],
            channel_multiples=[2, 4],
            decoder_channels=3,
            decoder_input_channels=3,
            audio_channels=2,
            sampling_rate=8000,
        ),
        text_encoder=_text_encoder(),
        projection_model=projection(
            text_encoder_dim=32, conditioning_dim=4, min_value=0, max_value=32
        ),
        tokenizer=_tokenizer(),
        transformer=diffusers.StableAudioDiTModel(
            sample_size=400,
            in_channels=3,
            num_layers=2,
            attention_head_dim=4,
            num_attention_heads=2,
            num_key_value_attention_heads=2,
            out_channels=3,
            cross_attention_dim=4,
            time_proj_dim=8,
            global_states_input_dim=8,
            cross_attention_input_dim=4,
        ),
        scheduler=diffusers.EDMDPMSolverMultistepScheduler(sigma_data=1.0),
    )


PIPELINES = {
    "image": image,
    "video": video,
    "first_frame": first_frame,
    "clip": clip,
    "audio": audio,
}


class Malice:
    """What a pickle can do."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def pickled(folder: Path, source: Path) -> None:
    """Write the image pipeline once more, its largest part as a pickle that leaves a marker."""
    torch = import_module("torch")
    for path in sorted(source.rglob("*")):
        target = folder / path.relative_to(source)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif path.parent.name != "unet" or path.suffix != ".safetensors":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    torch.save(Malice(folder / "executed"), folder / "unet" / "diffusion_pytorch_model.bin")


def main() -> None:
    folder = Path(sys.argv[1])
    torch = import_module("torch")
    for name, make in PIPELINES.items():
        torch.manual_seed(7)
        make().save_pretrained(folder / name)
    pickled(folder / "pickled", folder / "image")
    versions = {name: import_module(name).__version__ for name in ("torch", "diffusers")}
    (folder / "versions.json").write_text(json.dumps(versions))


if __name__ == "__main__":
    main()
