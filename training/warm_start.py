"""Weights of a model that exists as the beginning of another: rows matched by character, new characters added."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from hubcharlstm import CharLSTM, Vocabulary
from training.recipe import Recipe

SIZES = ("embedding_dim", "hidden_size", "num_layers")


@dataclass(frozen=True)
class PretrainedInit:
    """Where a run's first weights come from. `model` is None for a run that goes on: its checkpoint has them."""

    name: str
    chars: str
    model: CharLSTM | None = None

    @classmethod
    def load(cls, name: str) -> PretrainedInit:
        """By Hub id or folder; raises `ValueError` if there is no such model."""
        model = CharLSTM.from_pretrained(name, device="cpu")
        return cls(name, "".join(model.vocabulary.chars), model)

    def fit_recipe(self, recipe: Recipe, given: set[str]) -> Recipe:
        """`recipe` with the sizes and the case of the base; `ValueError` if a size in `given` is another one."""
        assert self.model is not None
        sizes = {name: getattr(self.model.config, name) for name in SIZES}
        for name in SIZES:
            if name in given and getattr(recipe, name) != sizes[name]:
                raise ValueError(
                    f"{name} is {getattr(recipe, name)}, but {self.name} has {sizes[name]}; expected the same, for its "
                    f"weights are the first ones: leave --{name.replace('_', '-')} out."
                )
        return replace(recipe, **sizes, lowercase=self.model.vocabulary.lowercase)

    def vocabulary(self, chars: tuple[str, ...], *, lowercase: bool) -> Vocabulary:
        """Those of the base in their order, then the new ones of the text."""
        new = [char for char in chars if char not in set(self.chars)]
        return Vocabulary([*self.chars, *new], lowercase=lowercase)

    @torch.no_grad()
    def copy_into(self, model: CharLSTM) -> int:
        """Put the base's weights into `model`; returns how many of its characters are new.

        A new character begins with the mean embedding and a small share of the output, so that it disturbs no other.
        """
        assert self.model is not None
        theirs, ours = self.model.vocabulary, model.vocabulary
        known = [char for char in ours.chars if char in theirs]
        to = torch.tensor([ours.chars.index(char) for char in known])
        of = torch.tensor([theirs.chars.index(char) for char in known])
        tensors = self.model.state_dict()
        state = model.state_dict()
        for name, value in tensors.items():
            if name.startswith("lstm."):
                state[name].copy_(value)
        state["embedding.weight"][:] = tensors["embedding.weight"].mean(dim=0)
        state["head.weight"][:] = 0.0
        state["head.bias"][:] = tensors["head.bias"].min()
        for name in ("embedding.weight", "head.weight", "head.bias"):
            state[name][to] = tensors[name][of].to(state[name].dtype)
        return len(ours) - len(known)
