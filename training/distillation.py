"""Distillation: the guesses of teachers about every character of a text, and the loss against them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.inspection.scoring import chunked_logits
from training.data.encoded import Array, Text, TrainIds, smallest_dtype

NUM_CHUNKS = 32
"""Parts of the text that a teacher reads side by side."""
FULL_VOCABULARY, TOP_K = 128, 64
"""Up to that many characters all probabilities are stored; of a larger vocabulary the TOP_K largest."""


def distillation_loss(logits: Tensor, teacher_probs: Tensor, temperature: float) -> Tensor:
    """temperature^2 * KL(teacher || student), the mean over all characters, in nats (Hinton et al. 2015).

    logits (..., V): of the student, divided by the temperature here. teacher_probs (..., V): at that temperature.
    The factor keeps the size of the gradient about the same at every temperature.
    """
    student = log_softmax(logits / temperature, dim=-1).flatten(0, -2)
    return kl_div(student, teacher_probs.flatten(0, -2), reduction="batchmean") * temperature**2


class TeacherProbs:
    """The mean probabilities of several teachers for what follows each character of a text, in a memory-mapped file.

    A guess belongs to a place of the text, so that all epochs share it, wherever their windows begin. A row takes at
    most 256 bytes of float16, or 384 with more than 65,536 different characters: of a vocabulary above FULL_VOCABULARY
    the TOP_K most likely characters are stored, and the others share the rest evenly.
    The file is unlinked, so that the process leaves nothing behind however it ends.
    """

    def __init__(self, probs: Array, top_ids: Array | None, vocab_size: int) -> None:
        self.probs, self.top_ids, self.vocab_size = probs, top_ids, vocab_size

    @classmethod
    def write(
        cls, teachers: Sequence[CharLSTM], text: Text, vocabulary: Vocabulary, *, temperature: float, folder: Path
    ) -> TeacherProbs:
        """Let the teachers read the text once, from its start and with their state carried, and store their guesses.

        The teachers know every character of `vocabulary`, which is the student's; its order is that of the rows. What
        they expect of other characters is left out before the softmax. folder: on whose disk the file lies.
        Raises `ValueError` if that disk has too little room.
        """
        length, vocab_size = len(text) - 1, len(vocabulary)
        is_full = vocab_size <= FULL_VOCABULARY
        width = vocab_size if is_full else TOP_K
        probs = _new_array((length, width), np.float16, folder)
        top_ids = None if is_full else _new_array((length, width), smallest_dtype(vocab_size), folder)
        readers = [
            chunked_logits(teacher, TrainIds(text, teacher.vocabulary), num_chunks=NUM_CHUNKS) for teacher in teachers
        ]
        columns = [_columns(teacher.vocabulary, vocabulary).to(teacher.head.weight.device) for teacher in teachers]
        with torch.inference_mode():
            for windows in zip(*readers, strict=True):
                positions = windows[0][0]
                mean = torch.stack(
                    [
                        (logits[..., column].float() / temperature).softmax(dim=-1)
                        for (_, logits), column in zip(windows, columns, strict=True)
                    ]
                ).mean(dim=0)  # (chunks, T, V)
                inside = positions < length
                if top_ids is None:
                    probs[positions[inside]] = mean.cpu().numpy()[inside]
                else:
                    values, ids = mean.topk(width, dim=-1)
                    probs[positions[inside]] = values.cpu().numpy()[inside]
                    top_ids[positions[inside]] = ids.cpu().numpy()[inside]
        return cls(probs, top_ids, vocab_size)

    def __getitem__(self, positions: Array) -> Tensor:
        """positions (...) integers, below the length of the text minus 1 -> probabilities (..., V) float32."""
        probs = torch.from_numpy(self.probs[positions]).float()
        if self.top_ids is None:
            return probs
        rest = (1 - probs.sum(dim=-1, keepdim=True)).clamp(min=0) / (self.vocab_size - probs.shape[-1])
        ids = torch.from_numpy(self.top_ids[positions].astype(np.int64))
        return rest.repeat(*(1,) * (rest.dim() - 1), self.vocab_size).scatter_(-1, ids, probs)


def bytes_per_char(vocab_size: int) -> int:
    """What `TeacherProbs` stores for each character of the text."""
    if vocab_size <= FULL_VOCABULARY:
        return 2 * vocab_size
    return TOP_K * (2 + np.dtype(smallest_dtype(vocab_size)).itemsize)


def _new_array(shape: tuple[int, int], dtype: Any, folder: Path) -> Array:
    needed, free = shape[0] * shape[1] * np.dtype(dtype).itemsize, shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"What the teachers expect of the text takes {needed / 2**30:.1f} GB on the disk of {folder}, and "
            f"{free / 2**30:.1f} GB are free; expected room for it: free some, or choose an --out on another disk."
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):  # a sparse file would end the process by SIGBUS where the room is gone later
            os.posix_fallocate(file.fileno(), 0, needed)
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)


def _columns(teacher: Vocabulary, student: Vocabulary) -> Tensor:
    """The teacher's id of each character of the student (V,)."""
    ids = {char: number for number, char in enumerate(teacher.chars)}
    return torch.tensor([ids[char] for char in student.chars])
