"""DF-ERC trained the usual PyTorch way: the program that dferc-dist's speed is compared with.

The model, its losses and its optimizer are those of dferc-dist; the parameters have the same names.
Rows of all utterances stand one after another, the LSTM runs over a packed sequence, the
contrastive losses are batched matrix products, ranks are DistributedDataParallel over gloo, and the
arithmetic is float32.

The golden values come from another implementation, Tests/DFERCModelTests/Fixtures/reference.py: its
loops over dialogues, anchors and time steps follow the paper line by line in float64 and take about
70 times as long, while golden values from this file would rest on the padding, masks and batched
sums that they are to check, and need ablations and dropout masks that no PyTorch user would write
into a trainer. --golden compares the two.

    python pytorch_dferc.py --threads 2                 # one process
    python pytorch_dferc.py --ranks 2 --json            # two processes with one thread each
    torchrun --nproc-per-node 2 pytorch_dferc.py        # the same, started by torchrun
    python pytorch_dferc.py --golden FILE.safetensors   # compare with a golden file of the model

Needs torch 2.15 and, for --golden, safetensors and numpy.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import statistics
import time
from dataclasses import dataclass
from itertools import combinations

import torch
import torch.distributed as distributed
import torch.nn.functional as functional
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

# The lengths of the benchmark's dialogues; MELD's look like this.
LENGTHS = (1, 2, 3, 5, 6, 7, 8, 9, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 24)
MELD_WIDTHS = {"text": 1024, "audio": 300, "visual": 342}


@dataclass(frozen=True)
class Settings:
    """The model's sizes and loss settings; the defaults are the paper's for MELD."""

    raw_widths: dict[str, int]
    emotions: int = 7
    width: int = 300
    alignment_width: int = 500
    context_hidden: int = 300
    dropout: float = 0.2
    contrastive_weight: float = 0.3
    contribution_weight: float = 0.8
    prototype_weight: float = 0.3
    modality_temperature: float = 0.5
    utterance_temperature: float = 0.3
    margin: float = 0.1


@dataclass
class Batch:
    """The dialogues of one rank, with the counts of the global batch that the means divide by."""

    features: dict[str, Tensor]  # modality -> [N, raw width]
    labels: Tensor  # [N]
    lengths: Tensor  # [B]
    slots: Tensor  # [N]: the place of each row in the padded [B * longest] layout
    utterance_count: int  # of the global batch
    repeated_count: int  # of the global batch, without dialogues of one utterance

    @staticmethod
    def collate(
        features: dict[str, Tensor], labels: Tensor, lengths: list[int], all_lengths: list[int]
    ) -> Batch:
        """A batch of dialogues of these lengths; all_lengths are those of the global batch."""
        longest = max(lengths)
        slots = [d * longest + i for d, length in enumerate(lengths) for i in range(length)]
        return Batch(
            features,
            labels,
            torch.tensor(lengths),
            torch.tensor(slots),
            sum(all_lengths),
            sum(length for length in all_lengths if length > 1),
        )

    def pad(self, rows: Tensor) -> Tensor:
        """[N, ...] -> [B, longest, ...], zeros behind the end of a dialogue."""
        dialogues, longest = len(self.lengths), int(self.lengths.max())
        padded = rows.new_zeros(dialogues * longest, *rows.shape[1:])
        return padded.index_copy(0, self.slots, rows).unflatten(0, (dialogues, longest))

    def unpad(self, padded: Tensor) -> Tensor:
        """[B, longest, ...] -> [N, ...]."""
        return padded.flatten(0, 1)[self.slots]


class DFERC(nn.Module):
    """The model; its forward pass returns the losses of this rank's share of the global batch."""

    prototype_sums: Tensor  # S of equation (18), [K, alignment width], float64
    counts: Tensor  # N of equation (18), [K], int64

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.modalities = list(settings.raw_widths)
        width, z = settings.width, 3 * settings.width

        def for_each(inputs: int, outputs: int) -> nn.ModuleDict:
            return nn.ModuleDict({m: nn.Linear(inputs, outputs) for m in self.modalities})

        self.input = nn.ModuleDict(
            {m: nn.Linear(raw, width) for m, raw in settings.raw_widths.items()}
        )
        self.ddm = nn.ModuleDict(
            {"modality": for_each(width, width), "utterance": for_each(width, width)}
        )
        self.cfm = nn.ModuleDict(
            {"classifier": for_each(z, settings.emotions), "contribution": for_each(z, 1)}
        )
        self.crm = nn.ModuleDict({"alignment": for_each(z, settings.alignment_width)})
        lstm = nn.LSTM(z, settings.context_hidden, batch_first=True, bidirectional=True)
        self.context = nn.ModuleDict({"lstm": lstm})
        self.classifier = nn.Linear(z + 2 * settings.context_hidden, settings.emotions)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                bound = module.in_features**-0.5
                nn.init.uniform_(module.weight, -bound, bound)
                nn.init.zeros_(module.bias)

        shape = (settings.emotions, settings.alignment_width)
        self.register_buffer("prototype_sums", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("counts", torch.zeros(settings.emotions, dtype=torch.int64))

    def drop(self, x: Tensor) -> Tensor:
        """Dropout while training."""
        return functional.dropout(x, self.settings.dropout, self.training)

    def forward(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        """The losses of equation (25) and the logits [N, K].

        The losses are sums over this rank's dialogues divided by counts of the global batch, so
        that their sum over ranks is the loss of the global batch.
        """
        modality_rows, utterance_rows, z = {}, {}, {}
        for m in self.modalities:
            s = self.drop(torch.tanh(self.input[m](batch.features[m])))
            modality_rows[m] = functional.gelu(self.ddm["modality"][m](self.drop(s)))
            utterance_rows[m] = functional.gelu(self.ddm["utterance"][m](self.drop(s)))
            z[m] = torch.cat([s, modality_rows[m], utterance_rows[m]], dim=1)
        teachers = {m: self.cfm["classifier"][m](self.drop(z[m])) for m in z}
        weights = {m: torch.sigmoid(self.cfm["contribution"][m](self.drop(z[m]))) for m in z}
        x = {m: functional.gelu(self.crm["alignment"][m](self.drop(z[m]))) for m in z}

        fused = torch.stack([weights[m] * z[m] for m in z]).sum(dim=0)
        context = self.run_lstm(fused, batch)
        refused = torch.cat([fused, (1 - self.consistency(x))[:, None] * context], dim=1)
        logits = self.classifier(self.drop(refused))

        settings = self.settings
        count = batch.utterance_count
        losses = {
            "emotion": functional.cross_entropy(logits, batch.labels, reduction="sum") / count,
            "contrastive_modality": self.contrastive(
                modality_rows, batch, settings.modality_temperature, level="modality"
            ),
            "contrastive_utterance": self.contrastive(
                utterance_rows, batch, settings.utterance_temperature, level="utterance"
            ),
            **self.contribution_losses(teachers, weights, batch),
            "prototype": self.prototype_loss(x, batch),
        }
        losses["loss"] = (
            losses["emotion"]
            + settings.contrastive_weight
            * (losses["contrastive_modality"] + losses["contrastive_utterance"])
            + settings.contribution_weight
            * (losses["tcp_classification"] + losses["tcp_regression"])
            + settings.prototype_weight * losses["prototype"]
        )
        return losses, logits

    def run_lstm(self, fused: Tensor, batch: Batch) -> Tensor:
        """Equation (21): the bidirectional LSTM over each dialogue."""
        packed = pack_padded_sequence(
            batch.pad(fused), batch.lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = self.context["lstm"](packed)
        return batch.unpad(pad_packed_sequence(states, batch_first=True)[0])

    def consistency(self, x: dict[str, Tensor]) -> Tensor:
        """Equation (20), constant in the backward pass."""
        with torch.no_grad():
            units = [functional.normalize(rows, dim=1, eps=1e-8) for rows in x.values()]
            if len(units) == 1:
                return units[0].new_zeros(len(units[0]))
            cosines = [(a * b).sum(dim=1) for a, b in combinations(units, 2)]
            return torch.stack(cosines).mean(dim=0)

    def contrastive(
        self, rows: dict[str, Tensor], batch: Batch, temperature: float, level: str
    ) -> Tensor:
        """Equations (3) and (5): mean over positives, then over the anchors that have one."""
        modality_count = len(rows)
        stacked = torch.stack(list(rows.values()), dim=1)
        if modality_count == 1:
            return stacked.new_zeros(())
        units = functional.normalize(stacked, dim=2, eps=1e-8)
        padded = batch.pad(units)  # [B, longest, M, width]
        dialogues, longest = padded.shape[:2]
        padded = padded.flatten(1, 2)
        similarities = torch.bmm(padded, padded.transpose(1, 2)) / temperature

        places = torch.arange(longest * modality_count)
        real = places // modality_count < batch.lengths[:, None]  # [B, longest * M]
        itself = places[:, None] == places
        others = real[:, None, :] & ~itself
        key = places % modality_count if level == "modality" else places // modality_count
        positives = real[:, :, None] & others & (key[:, None] == key)

        lowest = torch.finfo(similarities.dtype).min
        denominators = similarities.masked_fill(~others, lowest).logsumexp(dim=2, keepdim=True)
        counts = positives.sum(dim=2, keepdim=True).clamp(min=1)
        terms = (denominators - similarities) * (positives / counts)
        anchors = batch.repeated_count if level == "modality" else batch.utterance_count
        return terms.sum() / max(modality_count * anchors, 1)

    def contribution_losses(
        self, teachers: dict[str, Tensor], weights: dict[str, Tensor], batch: Batch
    ) -> dict[str, Tensor]:
        """Equations (13) and (14), summed over the modalities."""
        logits = torch.stack(list(teachers.values()))  # [M, N, K]
        labels = batch.labels.expand(len(logits), -1)[..., None]
        log_tcp = logits.log_softmax(dim=2).gather(2, labels)
        student = torch.stack(list(weights.values()))  # [M, N, 1]
        squares = (student - log_tcp.detach().exp()).square()
        return {
            "tcp_classification": -log_tcp.sum() / batch.utterance_count,
            "tcp_regression": squares.sum() / batch.utterance_count,
        }

    def prototype_loss(self, x: dict[str, Tensor], batch: Batch) -> Tensor:
        """Equations (18) and (19): adds the batch to the prototypes, then compares with them."""
        aligned = torch.stack(list(x.values()))  # [M, N, alignment width]
        if self.training:
            self.update_prototypes(aligned.detach(), batch.labels)
        prototypes = (self.prototype_sums / self.counts.clamp(min=1)[:, None]).to(aligned.dtype)
        distances = (prototypes[batch.labels] - aligned).square().mean(dim=2)
        excess = functional.relu(distances - self.settings.margin)
        return excess.sum() / (len(aligned) * batch.utterance_count)

    @torch.no_grad()
    def update_prototypes(self, aligned: Tensor, labels: Tensor) -> None:
        """Adds the global batch to the sums; one reduction carries the vectors and the counts."""
        emotions = self.settings.emotions
        update = torch.zeros(emotions, aligned.shape[2] + 1, dtype=torch.float64)
        update[:, :-1].index_add_(0, labels, aligned.sum(dim=0).double())
        update[:, -1] = torch.bincount(labels, minlength=emotions) * len(aligned)
        if distributed.is_initialized():
            distributed.all_reduce(update)
        self.prototype_sums += update[:, :-1]
        self.counts += update[:, -1].long()


def make_optimizer(model: nn.Module, learning_rate: float = 1e-3) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves biases alone."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True)


def random_batch(settings: Settings, dialogues: int, rank: int, ranks: int, seed: int) -> Batch:
    """This rank's share of a random global batch; ranks take turns from longest to shortest."""
    lengths = sorted(random.Random(seed).choices(LENGTHS, k=dialogues), reverse=True)
    own = lengths[rank::ranks]
    generator = torch.Generator().manual_seed(seed * ranks + rank)
    features = {
        m: torch.randn(sum(own), width, generator=generator)
        for m, width in settings.raw_widths.items()
    }
    labels = torch.randint(settings.emotions, (sum(own),), generator=generator)
    return Batch.collate(features, labels, own, lengths)


def train(arguments: argparse.Namespace, rank: int, ranks: int) -> None:
    """Trains on random batches and prints the speed, on rank 0."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(42)
    settings = Settings(MELD_WIDTHS)
    model = DFERC(settings)
    optimizer = make_optimizer(model)
    runner: nn.Module = model
    if ranks > 1:
        torch.manual_seed(1000 + rank)  # after the initial values: other dropout on each rank
        runner = DistributedDataParallel(
            model, forward_sync_buffers=False, gradient_as_bucket_view=True, static_graph=True
        )
    step_count = arguments.warmup + arguments.steps
    batches = [
        random_batch(settings, arguments.dialogues, rank, ranks, seed) for seed in range(step_count)
    ]

    losses, milliseconds = [], []
    for batch in batches:
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        parts, _ = runner(batch)
        # DDP averages over ranks; the loss is a share of a global mean, to be summed.
        (parts["loss"] * ranks).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        milliseconds.append((time.perf_counter() - start) * 1000)
        losses.append(parts["loss"].detach())

    global_losses = torch.stack(losses)
    if ranks > 1:
        distributed.all_reduce(global_losses)
    if rank == 0:
        measured = milliseconds[arguments.warmup :]
        utterances = sum(batch.utterance_count for batch in batches[arguments.warmup :])
        report = {
            "utterances_per_second": utterances / sum(measured) * 1000,
            "step_milliseconds_median": statistics.median(measured),
            "utterances_per_step": utterances / arguments.steps,
            "ranks": ranks,
            "threads": arguments.threads,
            "dialogues": arguments.dialogues,
            "steps": arguments.steps,
            "losses": global_losses.tolist(),
            "torch": torch.__version__,
        }
        if arguments.json:
            print(json.dumps(report))
        else:
            print(
                f"{report['utterances_per_second']:.1f} utterances/s, median step "
                f"{report['step_milliseconds_median']:.1f} ms, {ranks} ranks x "
                f"{arguments.threads} threads, {arguments.dialogues} dialogues a step, "
                f"loss {report['losses'][0]:.4f} -> {report['losses'][-1]:.4f}"
            )


def train_in_process(rank: int, arguments: argparse.Namespace, ranks: int, address: str) -> None:
    """One rank: joins the process group, trains and leaves it."""
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=ranks)
    try:
        train(arguments, rank, ranks)
    finally:
        distributed.destroy_process_group()


def free_port() -> int:
    """A free port for the rendezvous of the ranks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def compare_with_golden(path: str) -> None:
    """Prints losses and the largest differences of logits and gradients from a golden file."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        options = json.loads(file.metadata()["options"])
        golden_losses = json.loads(file.metadata()["losses"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    if options["ablations"] or options["dropout"] or options["reduction"] != "mean":
        raise SystemExit(f"{path}: this program has no ablations, golden dropout or sums")
    settings = Settings(
        raw_widths={m: options["rawWidths"][m] for m in options["modalities"]},
        emotions=options["emotions"],
        width=options["width"],
        alignment_width=options["alignmentWidth"],
        context_hidden=options["contextHidden"],
        dropout=0.0,
        contrastive_weight=options["contrastive"],
        contribution_weight=options["contribution"],
        prototype_weight=options["prototype"],
        modality_temperature=options["modalityTemperature"],
        utterance_temperature=options["utteranceTemperature"],
        margin=options["margin"],
    )
    model = DFERC(settings)
    weights = {
        name.removeprefix("parameter."): value
        for name, value in tensors.items()
        if name.startswith("parameter.")
    }
    state = {"prototype_sums": tensors["prototype_sums"], "counts": tensors["counts"]}
    model.load_state_dict({**weights, **state})
    lengths = tensors["offsets"].diff().tolist()
    features = {m: tensors[f"input.{m}"] for m in model.modalities}
    losses, logits = model(Batch.collate(features, tensors["labels"], lengths, lengths))
    losses["loss"].backward()

    for name, golden in golden_losses.items():
        print(f"{name}: {float(losses[name].detach()):.7f}, golden {golden:.7f}")
    scale = max(float(tensors[f"expected.gradient.{name}"].abs().max()) for name in weights)
    worst = 0.0
    for name, parameter in model.named_parameters():
        golden = tensors[f"expected.gradient.{name}"]
        found = torch.zeros_like(golden) if parameter.grad is None else parameter.grad
        floor = max(float(golden.abs().max()), 1e-6 * scale)
        worst = max(worst, float((found - golden).abs().max()) / floor)
    difference = float((logits.detach() - tensors["expected.logits"]).abs().max())
    print(f"largest relative difference of a gradient {worst:.2e}, of a logit {difference:.2e}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures PyTorch's speed on DF-ERC.")
    parser.add_argument("--threads", type=int, default=1, help="threads of each rank")
    parser.add_argument("--dialogues", type=int, default=8, help="dialogues of the global batch")
    parser.add_argument("--steps", type=int, default=40, help="measured steps")
    parser.add_argument("--warmup", type=int, default=5, help="steps before measuring")
    parser.add_argument("--ranks", type=int, default=1, help="processes to start")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--golden", metavar="FILE", help="compare with a golden file instead")
    arguments = parser.parse_args()
    if arguments.dialogues < int(os.environ.get("WORLD_SIZE", arguments.ranks)):
        parser.error("every rank needs a dialogue: raise --dialogues or lower --ranks")

    if arguments.golden:
        compare_with_golden(arguments.golden)
    elif "RANK" in os.environ:
        rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        train_in_process(rank, arguments, ranks, "env://")
    elif arguments.ranks > 1:
        address = f"tcp://127.0.0.1:{free_port()}"
        torch.multiprocessing.spawn(
            train_in_process, (arguments, arguments.ranks, address), nprocs=arguments.ranks
        )
    else:
        train(arguments, rank=0, ranks=1)


if __name__ == "__main__":
    main()
