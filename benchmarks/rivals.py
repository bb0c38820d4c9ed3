"""Baselines for the decoder: other implementations of a step with the same weights."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor

from hubcharlstm.decoding.fused_weights import FusedWeights
from hubcharlstm.decoding.kernels import quantize
from hubcharlstm.network import CharLSTMNetwork

Floats = NDArray[np.float32]


class OnnxDecoder:
    """A step of the network by ONNX Runtime; with `int8` by its dynamic quantization."""

    def __init__(self, network: CharLSTMNetwork, batch_size: int, *, int8: bool, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "step.onnx"
            onnx.save(step_graph(network), path)
            if int8:
                quantized = Path(folder) / "int8.onnx"
                quantize_dynamic(path, quantized, weight_type=QuantType.QInt8)
                path = quantized
            self._session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        config = network.config
        shape = (1, batch_size, config.hidden_size)
        self._state = {
            f"{part}{layer}": np.zeros(shape, np.float32) for layer in range(config.num_layers) for part in "hc"
        }
        self._names = [output.name for output in self._session.get_outputs()]

    def step(self, ids: NDArray[np.int64]) -> Floats:
        """ids (1, B) -> logits (B, V); the state stays in the object."""
        logits, *state = self._session.run(self._names, {"ids": ids, **self._state})
        self._state = dict(zip(self._state, state, strict=True))
        return np.asarray(logits)


def step_graph(network: CharLSTMNetwork) -> onnx.ModelProto:
    """Embedding, LSTM layers and head for one step: ids (1, B), h and c of each layer (1, B, H)."""
    config = network.config
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    size = config.hidden_size
    constants = {"table": weights["embedding.weight"], "head": weights["head.weight"].T, "bias": weights["head.bias"]}
    nodes = [helper.make_node("Gather", ["table", "ids"], ["x0"])]
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, None])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, config.vocab_size])]
    for layer in range(config.num_layers):
        constants[f"W{layer}"] = _reorder(weights[f"lstm.weight_ih_l{layer}"])[None]
        constants[f"R{layer}"] = _reorder(weights[f"lstm.weight_hh_l{layer}"])[None]
        both = [_reorder(weights[f"lstm.bias_{kind}_l{layer}"]) for kind in ("ih", "hh")]
        constants[f"B{layer}"] = np.concatenate(both)[None]
        names = [f"x{layer}", f"W{layer}", f"R{layer}", f"B{layer}", "", f"h{layer}", f"c{layer}"]
        nodes.append(helper.make_node("LSTM", names, [f"y{layer}", f"h{layer}_", f"c{layer}_"], hidden_size=size))
        nodes.append(helper.make_node("Squeeze", [f"y{layer}", "one"], [f"x{layer + 1}"]))
        inputs += [helper.make_tensor_value_info(f"{p}{layer}", TensorProto.FLOAT, [1, None, size]) for p in "hc"]
        outputs += [helper.make_tensor_value_info(f"{p}{layer}_", TensorProto.FLOAT, [1, None, size]) for p in "hc"]
    top = f"x{config.num_layers}"
    nodes.append(helper.make_node("Squeeze", [top, "zero"], ["flat"]))
    nodes.append(helper.make_node("MatMul", ["flat", "head"], ["product"]))
    nodes.append(helper.make_node("Add", ["product", "bias"], ["logits"]))
    initializers = [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()]
    initializers += [numpy_helper.from_array(np.array([n], np.int64), name) for n, name in ((0, "zero"), (1, "one"))]
    graph = helper.make_graph(nodes, "step", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def int8_step_graph(network: CharLSTMNetwork) -> onnx.ModelProto:
    """The step of this library's int8 decoder, with its own values and factors: ids (1,), and q and c of each layer.

    q, 127 times the hidden state, is (1, H') int8, and c (1, H') float32, with H' the padded hidden size; logits are
    (1, V').
    """
    weights = FusedWeights.of(network)
    size = weights.head.shape[1]
    constants: dict[str, NDArray[np.generic]] = {"table": weights.table.numpy(), "unit": np.float32(127)}
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, [1])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, weights.head.shape[0]])]
    nodes = [helper.make_node("Gather", ["table", "ids"], ["base0"])]

    def linear(name: str, x: str, weight: Tensor, base: str) -> None:
        values, scale = quantize(weight)
        constants[f"W{name}"] = np.ascontiguousarray(values.numpy().T)
        constants[f"s{name}"] = scale.numpy()
        nodes.append(helper.make_node("MatMulInteger", [x, f"W{name}"], [f"sums{name}"]))
        nodes.append(helper.make_node("Cast", [f"sums{name}"], [f"floats{name}"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"floats{name}", f"s{name}"], [f"scaled{name}"]))
        nodes.append(helper.make_node("Add", [f"scaled{name}", base], [name]))

    for n, (weight, bias) in enumerate(zip(weights.layers, weights.biases, strict=True)):
        x = f"q{n}"
        if n > 0:
            constants[f"base{n}"] = bias.numpy() if bias is not None else np.zeros(4 * size, np.float32)
            nodes.append(helper.make_node("Concat", [f"q{n - 1}_", f"q{n}"], [f"x{n}"], axis=1))
            x = f"x{n}"
        linear(f"gates{n}", x, weight, f"base{n}")
        nodes.append(helper.make_node("Split", [f"gates{n}"], [f"{g}{n}" for g in "ifog"], axis=1, num_outputs=4))
        nodes += [helper.make_node("Sigmoid", [f"{g}{n}"], [f"{g}{n}_"]) for g in "ifo"]
        nodes.append(helper.make_node("Tanh", [f"g{n}"], [f"g{n}_"]))
        nodes.append(helper.make_node("Mul", [f"c{n}", f"f{n}_"], [f"held{n}"]))
        nodes.append(helper.make_node("Mul", [f"g{n}_", f"i{n}_"], [f"new{n}"]))
        nodes.append(helper.make_node("Add", [f"held{n}", f"new{n}"], [f"c{n}_"]))
        nodes.append(helper.make_node("Tanh", [f"c{n}_"], [f"t{n}"]))
        nodes.append(helper.make_node("Mul", [f"t{n}", f"o{n}_"], [f"h{n}"]))
        nodes.append(helper.make_node("Mul", [f"h{n}", "unit"], [f"u{n}"]))
        nodes.append(helper.make_node("Round", [f"u{n}"], [f"r{n}"]))
        nodes.append(helper.make_node("Cast", [f"r{n}"], [f"q{n}_"], to=TensorProto.INT8))
        for part, kind in (("q", TensorProto.INT8), ("c", TensorProto.FLOAT)):
            inputs.append(helper.make_tensor_value_info(f"{part}{n}", kind, [1, size]))
            outputs.append(helper.make_tensor_value_info(f"{part}{n}_", kind, [1, size]))
    constants["head_bias"] = weights.head_bias.numpy()
    linear("logits", f"q{len(weights.layers) - 1}_", weights.head, "head_bias")
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "step", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _reorder(value: Floats) -> Floats:
    """PyTorch's gate order i, f, g, o -> that of ONNX, i, o, f, g."""
    i, f, g, o = np.split(value, 4)
    return np.concatenate([i, o, f, g])


def plain_loop(network: CharLSTMNetwork, characters: int) -> None:
    """The usual demo: nn.LSTM for every character, softmax and multinomial in torch."""
    ids, state = torch.zeros(1, 1, dtype=torch.int64), None
    with torch.inference_mode():
        for _ in range(characters):
            logits, state = network(ids, state)
            ids = torch.multinomial(torch.softmax(logits[:, -1] / 0.8, dim=-1), 1)


def tutorial_loop(network: CharLSTMNetwork, characters: int) -> None:
    """The tutorial: the network reads a window of the last 50 characters again for every character; greedy."""
    window = torch.zeros(1, 50, dtype=torch.int64)
    with torch.inference_mode():
        for _ in range(characters):
            logits, _ = network(window)
            window = torch.cat([window[:, 1:], logits[:, -1].argmax(dim=-1, keepdim=True)], dim=1)
