"""DF-ERC written as plainly as possible, to be compared with the paper line by line.

Numbers in round brackets are the paper's equations (ACM MM 2023, doi 10.1145/3581783.3612053).
Nothing is packed, padded or vectorised over dialogues: the model runs one dialogue after the other,
the contrastive losses are loops over anchors and positives, and the LSTM is its six equations.
All arithmetic is float64; autograd supplies the gradients.

Letters: n utterances of a dialogue, N of the batch, M modalities in use, K emotions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from philox import dropout_keeps

MODALITIES = ("text", "audio", "visual")
SMALLEST_NORM = 1e-8

Parameters = dict[str, Tensor]


@dataclass(frozen=True)
class Options:
    """Everything that selects a model and its loss."""

    modalities: tuple[str, ...] = MODALITIES
    ablations: tuple[str, ...] = ()
    raw_widths: tuple[tuple[str, int], ...] = (("text", 11), ("audio", 7), ("visual", 9))
    width: int = 12
    alignment_width: int = 10
    context_hidden: int = 6
    emotions: int = 4
    dropout: float = 0.0
    seed: int = 0
    step: int = 0
    contrastive_weight: float = 0.3
    contribution_weight: float = 0.8
    prototype_weight: float = 0.3
    reduction: str = "mean"
    modality_temperature: float = 0.5
    utterance_temperature: float = 0.3
    margin: float = 0.1

    def has(self, ablation: str) -> bool:
        """Whether an ablation switch is set."""
        return ablation in self.ablations

    @property
    def has_alignment(self) -> bool:
        """Whether CRM compares the modalities: true unless a crm-* switch is set."""
        return not any(name.startswith("crm-") for name in self.ablations)

    @property
    def feature_width(self) -> int:
        """Width of z_m."""
        return self.width if self.has("no-ddm") else 3 * self.width


@dataclass(frozen=True)
class Dialogue:
    """One dialogue: its index in file order, raw features [n, raw width] and labels [n]."""

    index: int
    features: dict[str, Tensor]
    labels: Tensor


@dataclass(frozen=True)
class Prototypes:
    """Sums S [K, alignment width] and counts N [K] of (18)."""

    sums: Tensor
    counts: Tensor

    @staticmethod
    def empty(options: Options) -> Prototypes:
        """The state before the first step."""
        sums = torch.zeros(options.emotions, options.alignment_width, dtype=torch.float64)
        return Prototypes(sums, torch.zeros(options.emotions, dtype=torch.int64))

    def means(self) -> Tensor:
        """R = S / N rounded to float32; an emotion that was never seen has R = 0."""
        divisors = self.counts.clamp(min=1).double()
        return (self.sums / divisors[:, None]).float().double()


@dataclass
class Utterances:
    """The results of the forward pass over one dialogue."""

    modality_rows: dict[str, Tensor]  # m of (2), [n, width]
    utterance_rows: dict[str, Tensor]  # u of (4), [n, width]
    teacher_logits: dict[str, Tensor]  # (10) before the softmax, [n, K]
    contributions: dict[str, Tensor]  # w of (12), [n]
    aligned: dict[str, Tensor]  # x of (17), [n, alignment width]
    consistency: Tensor  # psi of (20), [n]
    logits: Tensor  # (23) before the softmax, [n, K]


@dataclass
class Result:
    """Losses (unweighted parts and total), predictions and the new prototypes of one batch."""

    losses: dict[str, Tensor]
    utterances: list[Utterances]
    prototypes: Prototypes
    alignment_errors: Tensor  # mean squared distance to the prototype, before the margin, [M N]


def parameter_shapes(options: Options) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter that exists under these options."""
    width, z, k = options.width, options.feature_width, options.emotions
    context = 2 * options.context_hidden
    shapes: dict[str, tuple[int, ...]] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        shapes[f"{name}.weight"] = (outputs, inputs)
        shapes[f"{name}.bias"] = (outputs,)

    for m in options.modalities:
        linear(f"input.{m}", width, dict(options.raw_widths)[m])
        if not options.has("no-ddm"):
            linear(f"ddm.modality.{m}", width, width)
            linear(f"ddm.utterance.{m}", width, width)
        if not options.has("no-cfm") and not options.has("cfm-attention"):
            linear(f"cfm.classifier.{m}", k, z)
            linear(f"cfm.contribution.{m}", 1, z)
        if options.has_alignment:
            linear(f"crm.alignment.{m}", options.alignment_width, z)
    if options.has("cfm-attention"):
        linear("cfm.attention.query", z, z)
        linear("cfm.attention.key", z, z)
    if options.has("crm-attention"):
        for role in ("query", "key", "value"):
            linear(f"context.attention.{role}", context, z)
    else:
        gates, hidden = 4 * options.context_hidden, options.context_hidden
        for suffix in ("", "_reverse"):
            shapes[f"context.lstm.weight_ih_l0{suffix}"] = (gates, z)
            shapes[f"context.lstm.weight_hh_l0{suffix}"] = (gates, hidden)
            shapes[f"context.lstm.bias_ih_l0{suffix}"] = (gates,)
            shapes[f"context.lstm.bias_hh_l0{suffix}"] = (gates,)
    linear("classifier", k, z + context)
    return shapes


def linear(x: Tensor, parameters: Parameters, name: str) -> Tensor:
    """The linear layer of that name, x [n, inputs] -> [n, outputs]."""
    return x @ parameters[f"{name}.weight"].T + parameters[f"{name}.bias"]


def gelu(x: Tensor) -> Tensor:
    """The exact GELU, x times the normal distribution function."""
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of the angle between rows, each norm clamped below."""
    norms = a.norm(dim=-1).clamp(min=SMALLEST_NORM) * b.norm(dim=-1).clamp(min=SMALLEST_NORM)
    return (a * b).sum(dim=-1) / norms


def dropout(x: Tensor, layer: str, dialogue: Dialogue, options: Options) -> Tensor:
    """Drops elements of x [n, width]; the mask is a function of seed, step, layer and dialogue."""
    if options.dropout == 0:
        return x
    keeps = dropout_keeps(
        x.numel(), options.dropout, options.seed, f"dropout.{layer}", options.step, dialogue.index
    )
    return x * torch.from_numpy(keeps).reshape(x.shape) / (1 - options.dropout)


def lstm_direction(f: Tensor, parameters: Parameters, suffix: str) -> Tensor:
    """One direction of the LSTM over rows f [n, z]; returns the hidden states [n, hidden]."""
    weight_ih = parameters[f"context.lstm.weight_ih_l0{suffix}"]
    weight_hh = parameters[f"context.lstm.weight_hh_l0{suffix}"]
    bias = parameters[f"context.lstm.bias_ih_l0{suffix}"]
    bias = bias + parameters[f"context.lstm.bias_hh_l0{suffix}"]
    hidden = torch.zeros(weight_hh.shape[1], dtype=f.dtype)
    cell = torch.zeros_like(hidden)
    order = range(len(f)) if suffix == "" else reversed(range(len(f)))
    states: dict[int, Tensor] = {}
    for row in order:
        gates = weight_ih @ f[row] + weight_hh @ hidden + bias
        i, forget, g, o = gates.chunk(4)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        states[row] = hidden
    return torch.stack([states[row] for row in range(len(f))])


def context(f: Tensor, parameters: Parameters, options: Options) -> Tensor:
    """(21), or self-attention over the dialogue's f under crm-attention; [n, 2 hidden]."""
    if not options.has("crm-attention"):
        both = [lstm_direction(f, parameters, suffix) for suffix in ("", "_reverse")]
        return torch.cat(both, dim=1)
    query, key, value = (
        linear(f, parameters, f"context.attention.{role}") for role in ("query", "key", "value")
    )
    scores = query @ key.T / math.sqrt(query.shape[1])
    return torch.softmax(scores, dim=1) @ value


def fusion_weights(
    z: dict[str, Tensor],
    dialogue: Dialogue,
    parameters: Parameters,
    options: Options,
) -> dict[str, Tensor]:
    """w_m of (12), or the weights of an ablation; [n] each."""
    if options.has("no-cfm"):
        return {m: torch.ones(len(z[m]), dtype=z[m].dtype) for m in z}
    if options.has("cfm-attention"):
        mean = torch.stack(list(z.values())).mean(dim=0)
        query = linear(mean, parameters, "cfm.attention.query")
        keys = {m: linear(z[m], parameters, "cfm.attention.key") for m in z}
        scores = [(query * keys[m]).sum(dim=1) / math.sqrt(query.shape[1]) for m in z]
        weights = torch.softmax(torch.stack(scores), dim=0)
        return dict(zip(z, weights, strict=True))
    students = {}
    for m in z:
        layer = f"cfm.contribution.{m}"
        dropped = dropout(z[m], layer, dialogue, options)
        students[m] = torch.sigmoid(linear(dropped, parameters, layer))[:, 0]
    return students


def consistency(x: dict[str, Tensor], n: int, options: Options) -> Tensor:
    """psi of (20), without gradient; [n]."""
    pairs = list(combinations(options.modalities, 2))
    if options.has("crm-zero"):
        return torch.ones(n, dtype=torch.float64)
    if not options.has_alignment or not pairs:
        return torch.zeros(n, dtype=torch.float64)
    return torch.stack([cosine(x[a], x[b]) for a, b in pairs]).mean(dim=0).detach()


def forward(dialogue: Dialogue, parameters: Parameters, options: Options) -> Utterances:
    """The forward pass over one dialogue."""
    s: dict[str, Tensor] = {}
    modality_rows: dict[str, Tensor] = {}
    utterance_rows: dict[str, Tensor] = {}
    z: dict[str, Tensor] = {}
    for m in options.modalities:
        raw = dialogue.features[m].double()
        projected = torch.tanh(linear(raw, parameters, f"input.{m}"))
        s[m] = dropout(projected, f"input.{m}", dialogue, options)

        if options.has("no-ddm"):
            z[m] = s[m]
            continue
        for branch, rows in (("modality", modality_rows), ("utterance", utterance_rows)):  # (2) (4)
            layer = f"ddm.{branch}.{m}"
            rows[m] = gelu(linear(dropout(s[m], layer, dialogue, options), parameters, layer))
        z[m] = torch.cat([s[m], modality_rows[m], utterance_rows[m]], dim=1)  # (6)-(8)

    teacher_logits, x = {}, {}
    for m in options.modalities:
        if f"cfm.classifier.{m}.weight" in parameters:  # (10)
            layer = f"cfm.classifier.{m}"
            teacher_logits[m] = linear(dropout(z[m], layer, dialogue, options), parameters, layer)
        if options.has_alignment:  # (17)
            layer = f"crm.alignment.{m}"
            x[m] = gelu(linear(dropout(z[m], layer, dialogue, options), parameters, layer))

    w = fusion_weights(z, dialogue, parameters, options)  # (12)
    f = torch.stack([w[m][:, None] * z[m] for m in options.modalities]).sum(dim=0)  # (16)
    c = context(f, parameters, options)  # (21)
    psi = consistency(x, len(f), options)  # (20)
    e = torch.cat([f, (1 - psi)[:, None] * c], dim=1)  # (22)
    logits = linear(dropout(e, "classifier", dialogue, options), parameters, "classifier")  # (23)
    return Utterances(modality_rows, utterance_rows, teacher_logits, w, x, psi, logits)


def contrastive_anchors(rows: dict[str, Tensor], level: str, temperature: float) -> list[Tensor]:
    """(3) or (5) for one dialogue: a vector of terms, one for each positive, for each anchor.

    The denominator runs over all rows of the dialogue but the anchor. An anchor without a positive
    is left out.
    """
    items = [(m, i, row) for m, matrix in rows.items() for i, row in enumerate(matrix)]
    anchors = []
    for a, (anchor_modality, anchor_utterance, anchor) in enumerate(items):
        others = [item for b, item in enumerate(items) if b != a]
        if not others:
            continue
        similarities = torch.stack([cosine(anchor, row) for _, _, row in others]) / temperature
        denominator = similarities.exp().sum().log()
        terms = []
        for (modality, utterance, _), similarity in zip(others, similarities, strict=True):
            if level == "modality":
                is_positive = modality == anchor_modality
            else:
                is_positive = utterance == anchor_utterance
            if is_positive:
                terms.append(denominator - similarity)
        if terms:
            anchors.append(torch.stack(terms))
    return anchors


def contrastive_loss(utterances: list[Utterances], level: str, options: Options) -> Tensor:
    """(3) or (5) over the batch; rows never meet rows of another dialogue."""
    zero = torch.zeros((), dtype=torch.float64)
    if len(options.modalities) == 1 or options.has("no-ddm") or options.has(f"no-{level}"):
        return zero
    anchors: list[Tensor] = []
    for dialogue in utterances:
        if level == "modality":
            rows, temperature = dialogue.modality_rows, options.modality_temperature
        else:
            rows, temperature = dialogue.utterance_rows, options.utterance_temperature
        anchors += contrastive_anchors(rows, level, temperature)
    if options.reduction == "sum":
        return sum((terms.sum() for terms in anchors), zero)
    return sum((terms.mean() for terms in anchors), zero) / max(len(anchors), 1)


def log_probability(logits: Tensor, labels: Tensor) -> Tensor:
    """Logarithm of the probability of the true label, [n]."""
    return torch.log_softmax(logits, dim=1)[torch.arange(len(labels)), labels]


def updated_prototypes(
    prototypes: Prototypes, dialogues: list[Dialogue], utterances: list[Utterances]
) -> Prototypes:
    """(18): adds every x_m of the batch to the sum of its label."""
    sums, counts = prototypes.sums.clone(), prototypes.counts.clone()
    for dialogue, result in zip(dialogues, utterances, strict=True):
        for x in result.aligned.values():
            for row, label in zip(x.detach(), dialogue.labels, strict=True):
                sums[label] += row
                counts[label] += 1
    return Prototypes(sums, counts)


def batch_losses(
    dialogues: list[Dialogue],
    parameters: Parameters,
    options: Options,
    prototypes: Prototypes,
) -> Result:
    """Forward pass, new prototypes and all losses of one global batch."""
    utterances = [forward(dialogue, parameters, options) for dialogue in dialogues]
    new_prototypes = updated_prototypes(prototypes, dialogues, utterances)
    r = new_prototypes.means()

    zero = torch.zeros((), dtype=torch.float64)
    emotion, tcp_classification, tcp_regression = zero, zero, zero
    alignment_errors: list[Tensor] = []
    for dialogue, result in zip(dialogues, utterances, strict=True):
        labels = dialogue.labels
        emotion = emotion - log_probability(result.logits, labels).sum()  # (24)
        for m, logits in result.teacher_logits.items():
            log_tcp = log_probability(logits, labels)  # (11)
            tcp_classification = tcp_classification - log_tcp.sum()  # (13)
            difference = log_tcp.exp().detach() - result.contributions[m]
            tcp_regression = tcp_regression + (difference**2).sum()  # (14)
        for x in result.aligned.values():
            alignment_errors.append(((r[labels] - x) ** 2).mean(dim=1))

    utterance_count = sum(len(dialogue.labels) for dialogue in dialogues)
    divisor = utterance_count if options.reduction == "mean" else 1
    errors = torch.cat(alignment_errors) if alignment_errors else torch.zeros(0).double()
    pair_count = len(options.modalities) * utterance_count
    losses = {
        "emotion": emotion / divisor,
        "contrastive_modality": contrastive_loss(utterances, "modality", options),
        "contrastive_utterance": contrastive_loss(utterances, "utterance", options),
        "tcp_classification": tcp_classification / divisor,
        "tcp_regression": tcp_regression / divisor,
        "prototype": (errors - options.margin).clamp(min=0).sum() / pair_count,  # (19)
    }
    losses["loss"] = (  # (25)
        losses["emotion"]
        + options.contrastive_weight
        * (losses["contrastive_modality"] + losses["contrastive_utterance"])
        + options.contribution_weight * (losses["tcp_classification"] + losses["tcp_regression"])
        + options.prototype_weight * losses["prototype"]
    )
    return Result(losses, utterances, new_prototypes, errors.detach())


def gradients(loss: Tensor, parameters: Parameters) -> Parameters:
    """The gradient of every parameter; zero where the loss does not depend on it."""
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {
        name: torch.zeros_like(value) if gradient is None else gradient
        for (name, value), gradient in zip(parameters.items(), found, strict=True)
    }
