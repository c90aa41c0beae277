"""Trained networks as files: safetensors and ONNX, with a header of facts (network, keypoints, mirror order, run)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.faces.boxes import CROP_SIZE
from fkd_helpers.nets.losses import heatmap_centres

SMALL = 256  # values; a tensor below that is not worth a cast


class WithKeypoints(nn.Module):
    """A network that answers in keypoints, with how peaked each heatmap is (0..1; 1 where there are no heatmaps)."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output = self.model(images)
        if output.ndim != 4:
            return output, torch.ones_like(output[..., 0])
        shares = torch.softmax(output.flatten(2), -1)
        x = y = heatmap_centres(output.shape[-1]).to(shares)
        places = torch.cartesian_prod(y, x).flip(-1)  # one product with them is faster than `soft_argmax`, row by row
        return shares @ places, shares.amax(-1)


def save_weights(model: nn.Module, path: str | Path, **facts: object) -> Path:
    """Write weights as safetensors; the header holds `model.facts` and further facts."""
    state = {key: value.contiguous() for key, value in model.state_dict().items()}  # training puts the channels last
    header = getattr(model, "facts", {}) | {key: str(value) for key, value in facts.items()}
    with whole_file(Path(path)) as partial:
        save_file(state, str(partial), metadata=header)
    return Path(path)


def read(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the weights and the header of a safetensors file."""
    try:
        with safe_open(str(path), framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}
    except FileNotFoundError:
        raise InputError(f"{path}: no such weights file") from None
    except Exception as error:  # safetensors does not export the type that it raises
        raise InputError(f"{path}: not a whole safetensors file ({error})") from None


def load_weights(model: nn.Module, path: str | Path, *, points: Sequence[Sequence[int]] | None = None) -> nn.Module:
    """Load safetensors weights into a network of the same kind and return it in evaluation mode.

    `points`: for a heatmap network, the points of the file, if it has as many, of which each of ours is the mean.
    """
    state, _ = read(path)
    if points is not None and len(state.get("head.bias", ())) > max(map(max, points)):
        for key in ("head.weight", "head.bias"):
            state[key] = torch.stack([state[key][list(of)].mean(0) for of in points])
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()[:120]
        raise InputError(f"{path}: weights of another network than {type(model).__name__} ({reason})") from None
    return model.eval()


def export_onnx(model: nn.Module, path: str | Path) -> Path:
    """Write a network as ONNX: images (n, 1, size, size) -> keypoints (n, k, 2) in crop pixels, scores (n, k)."""
    facts = getattr(model, "facts", {})
    size = int(facts.get("size", CROP_SIZE))
    return save_onnx(to_onnx(WithKeypoints(model), (1, size, size), ["keypoints", "scores"], facts=facts), path)


def save_onnx(program, path: str | Path) -> Path:
    """Write an ONNX program to a file."""
    with whole_file(Path(path)) as partial:
        partial.write_bytes(program.SerializeToString())
    return Path(path)


def store_half(program):
    """Store the weights of an ONNX program with 16 bits and return it; the runtime widens them as it loads the file."""
    from onnx import TensorProto, helper, numpy_helper  # slow

    casts = []
    for value in program.graph.initializer:
        array = numpy_helper.to_array(value)
        if array.dtype == np.float32 and array.size >= SMALL:
            casts.append(helper.make_node("Cast", [f"{value.name}_half"], [value.name], to=TensorProto.FLOAT))
            value.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{value.name}_half"))
    nodes = [*casts, *program.graph.node]
    del program.graph.node[:]
    program.graph.node.extend(nodes)
    return program


def to_onnx(
    model: nn.Module, shape: tuple[int, ...], outputs: list[str], *, facts: Mapping[str, str] = {},
    varies: Mapping[int, object] = {},
):  # fmt: skip
    """Return a network as an ONNX program, "images" `(n, *shape)` to outputs by name, without paths of this machine.

    `varies` are dimensions of the input that may vary beside the number of images.
    """
    import onnx  # slow

    program = torch.onnx.export(
        model.eval(), (torch.zeros(2, *shape),), input_names=["images"], output_names=outputs,
        dynamic_shapes=({0: torch.export.Dim("n", min=1), **varies},), dynamo=True, verbose=False, optimize=True,
        external_data=False,
    ).model_proto  # fmt: skip
    graph = program.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]  # where each line of code lay on this machine's disk
    onnx.helper.set_model_props(program, dict(facts))
    return program
