"""JoeyNMT's side of `training.py`, in an environment of its own.

Needs joeynmt 2.3 and PyTorch; see `training_worker.py`. Its own model, batch
and training step.
"""

import importlib.metadata
from types import SimpleNamespace

import numpy as np
import torch
import training_worker
from joeynmt.batch import Batch
from joeynmt.builders import build_optimizer
from joeynmt.model import build_model
from joeynmt.vocabulary import Vocabulary

# Our special ids are padding, start, end and unknown: JoeyNMT's of each.
PAD, START, END, UNKNOWN = 1, 2, 3, 0


def configuration(sizes, score):
    embeddings = {"embedding_dim": sizes["embedding"], "scale": False}
    return {
        "initializer": "xavier_uniform",
        "embed_initializer": "xavier_uniform",
        "encoder": {
            "type": "recurrent",
            "rnn_type": "lstm",
            "embeddings": dict(embeddings),
            "hidden_size": sizes["encoder"],
            "bidirectional": True,
            "num_layers": 1,
            "dropout": 0.0,
        },
        "decoder": {
            "type": "recurrent",
            "rnn_type": "lstm",
            "embeddings": dict(embeddings),
            "hidden_size": sizes["decoder"],
            "num_layers": 1,
            "dropout": 0.0,
            "hidden_dropout": 0.0,
            "input_feeding": True,
            "init_hidden": "bridge",
            "attention": {"additive": "bahdanau", "general": "luong"}[score],
        },
    }


def vocabulary(size):
    """A vocabulary of so many words; JoeyNMT's special ones come first."""
    special = SimpleNamespace(
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        unk_id=0,
        pad_id=1,
        bos_id=2,
        eos_id=3,
        sep_token=None,
        sep_id=None,
        lang_tags=[],
    )
    return Vocabulary([f"w{one}" for one in range(size - 4)], special)


def joeynmt_ids(ids):
    special = np.array([PAD, START, END, UNKNOWN])
    return np.where(ids < 4, special[np.minimum(ids, 3)], ids).astype("int64")


class Trainer:
    """`joeynmt.training.TrainManager`'s step, on given batches."""

    def __init__(self, batches, request):
        torch.set_num_threads(request["threads"])
        torch.manual_seed(0)
        sizes = request["sizes"]
        self.batches = [
            tuple(torch.tensor(joeynmt_ids(one)) for one in batch)
            for batch in batches
        ]
        self.model = build_model(
            configuration(sizes, request["score"]),
            src_vocab=vocabulary(sizes["source_vocabulary"]),
            trg_vocab=vocabulary(sizes["target_vocabulary"]),
        )
        self.model.loss_function = ("crossentropy", 0.0)
        self.optimizer = build_optimizer(
            {"optimizer": "adam", "learning_rate": request["learning_rate"]},
            self.model.parameters(),
        )
        self.about = {
            "versions": {
                name: importlib.metadata.version(name)
                for name in ("torch", "joeynmt")
            },
            "mode": "eager",
            "weights": sum(one.numel() for one in self.model.parameters()),
        }

    def batch(self, number):
        """As its own collating function makes it."""
        source, target = self.batches[number]
        start = torch.full((len(target), 1), START)
        return Batch(
            src=source,
            src_length=(source != PAD).sum(dim=1),
            src_prompt_mask=None,
            trg=torch.cat([start, target], dim=1),
            trg_prompt_mask=None,
            indices=torch.arange(len(target)),
            device=torch.device("cpu"),
            pad_index=PAD,
            eos_index=END,
        )

    def train(self, numbers):
        losses = []
        for number in numbers:
            self.model.train()
            batch = self.batch(number)
            batch.sort_by_src_length()
            loss, _, _, correct = self.model(return_type="loss", **vars(batch))
            loss = batch.normalize(loss, normalization="tokens")
            loss.backward()
            losses.append(loss.item())
            correct.item()
            self.optimizer.step()
            self.model.zero_grad()
        return losses


if __name__ == "__main__":
    training_worker.serve(Trainer)
