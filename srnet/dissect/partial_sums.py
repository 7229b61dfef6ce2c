"""Softmax classifiers over all subsets of N units, by tables of partial sums, in float64.

Of unit i in example n, effect[n, c, i] is what it adds to the logit of class c; a subset S of the
units gives the logits bias[c] + sum over i in S of effect[n, c, i]. A subset is a number whose
bit i is unit i. What may live here: sums over the examples for all 2^N subsets at once.

The logits of all subsets are the outer sums of two short tables, one of the subsets of the first
units and one of the rest, so their exponentials are outer products: no exponential is taken of
each subset. What is left is a product of matrices for every few examples, done in blocks of the
table that stay in the cache.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int16
from torch import Tensor

BLOCK = 2**16  # subsets done at once: 512 KiB of float64
RANGE = 700.0  # exp(-RANGE) and exp(RANGE) are numbers of float64
LONGEST = 1024  # examples times classes that are done at once, for the memory
PRODUCTS = 16  # terms that a multiplied out product of sums may have
TABLES = 2**24  # numbers of short tables that are there at once
SMALL_BLOCK = 2**13  # where that many are done for each example of a run
RUN = 32  # examples whose gradients are added up by one product of matrices
NEGLIGIBLE = 40.0  # exp(-NEGLIGIBLE) is below float64's rounding


def subset_sums(values: Float[Tensor, "*stack units"]) -> Float[Tensor, "*stack subsets"]:
    """The sums of all subsets of the last axis: (..., N) to (..., 2^N), bit i for entry i.

    >>> subset_sums(torch.tensor([1.0, 10.0])).tolist()
    [0.0, 1.0, 10.0, 11.0]
    """
    sums = values.new_zeros(*values.shape[:-1], 1)
    for value in values.split(1, -1):
        sums = torch.cat([sums, sums + value], -1)
    return sums


def mean_losses(
    effects: Float64[Tensor, "n classes units"],
    bias: Float64[Tensor, " classes"],
    y: Int[Tensor, " n"],
) -> Float64[Tensor, " subsets"]:
    """Mean cross-entropy over the examples, of every subset: (2^N,).

    loss(S) = mean over n of log(sum over c of exp z[n, c](S)) - z[n, y[n]](S)

    The logarithm is taken of the product over many examples; no exponential leaves float64's
    range, whatever the size of the logits.
    """
    classes, units = effects.shape[1:]
    effects = effects - effects.mean(1, keepdim=True)  # the softmax doesn't see the mean logit
    bias = bias - bias.mean()
    own = effects[torch.arange(len(y)), y]
    total = subset_sums(-own.sum(0)) - bias[y].sum()
    inner = units // 2
    spread = effects[..., :inner].abs().sum(-1).amax(1) / 2
    left = torch.ones(len(y), dtype=torch.bool)
    for group in (4, 3, 2, 1):
        if group > 1 and classes**group > PRODUCTS:
            continue
        fits = left & (spread <= _widest(group))
        left &= ~fits
        costs = (spread[fits] + math.log(classes)).clamp_(min=RANGE * classes / LONGEST)
        chosen = effects[fits]
        for run in _runs(costs.tolist()):
            _add_log_sums(total, chosen[run], bias, inner, group)
    for example in effects[left]:
        _add_log_sums_of_one(total, example, bias)
    return (total / len(y)).clamp_(min=0)  # rounding may leave less than nothing


def _widest(group: int) -> float:
    """The largest spread (half of what exponents of the short table differ by) of a group.

    A sum over classes is at least exp(-spread), and a term of the short table at most exp(spread):
    terms of the long table below exp(-2 spread - NEGLIGIBLE) count for nothing, and are raised to
    that. So the least product of two terms is exp(-3 spread - NEGLIGIBLE), and of a group's such
    products none leaves the range; numbers below it would be lost, or slow.
    """
    return (RANGE / group - NEGLIGIBLE) / 3


def _runs(costs: list[float]) -> Iterator[slice]:
    """Runs of examples whose costs add up to at most RANGE each."""
    start, spent = 0, 0.0
    for place, cost in enumerate(costs):
        if spent and spent + cost > RANGE:
            yield slice(start, place)
            start, spent = place, 0.0
        spent += cost
    if costs:
        yield slice(start, len(costs))


def _add_log_sums(
    total: Float64[Tensor, " subsets"],
    effects: Float64[Tensor, "run classes units"],
    bias: Float64[Tensor, " classes"],
    inner: int,
    group: int,
) -> None:
    """Add to every subset's total the sum over a run of log(sum over c of exp z[n, c]).

    With the sums a over the first `inner` units, centred, and b over the others, the sum over
    classes is exp(largest b) times that of exp(b - largest b) exp(a): both are within range.
    """
    first, rest = effects[..., :inner], effects[..., inner:]
    centre = first.sum(-1, keepdim=True) / 2
    columns = _multiplied_out((subset_sums(first) - centre).exp_(), group)
    exponents = subset_sums(rest) + (centre + bias[:, None])
    largest = exponents.amax(1, keepdim=True)
    exponents -= largest
    floor = RANGE / group - _widest(group)
    rows = _multiplied_out(exponents.clamp_(min=-floor).exp_(), group)
    table = total.view(-1, 2**inner)
    table += largest.sum(0).T
    height = min(BLOCK >> inner, len(table))
    product, factor = (total.new_empty(height, 2**inner) for _ in range(2))
    for start in range(0, len(table), height):
        block = slice(start, start + height)
        torch.mm(rows[0, :, block].T, columns[0], out=product)
        for member in range(1, len(rows)):
            product *= torch.mm(rows[member, :, block].T, columns[member], out=factor)
        table[block] += product.log_()


def _multiplied_out(
    terms: Float64[Tensor, "run classes m"], group: int
) -> Float64[Tensor, "groups products m"]:
    """All products of one term of each example, for groups of so many examples.

    (a + b)(c + d) = ac + ad + bc + bd: so a product over examples of sums over classes is one
    inner product. The last group is filled up with examples whose terms are 1, 0, ...
    """
    fill = terms.new_zeros(-len(terms) % group, *terms.shape[1:])
    fill[:, 0] = 1
    members = torch.cat([terms, fill]).unflatten(0, (-1, group)).unbind(1)
    products = members[0]
    for member in members[1:]:
        products = (products[:, :, None] * member[:, None]).flatten(1, 2)
    return products


def _add_log_sums_of_one(
    total: Float64[Tensor, " subsets"],
    effects: Float64[Tensor, "classes units"],
    bias: Float64[Tensor, " classes"],
) -> None:
    """The same for one example of any spread: an exponential for each class and subset."""
    inner = min(effects.shape[1], int(math.log2(max(1, 2 * BLOCK // len(bias)))))
    columns = subset_sums(effects[:, :inner])
    offsets = subset_sums(effects[:, inner:]) + bias[:, None]
    logits = torch.empty_like(columns)
    for block, offset in zip(total.split(2**inner), offsets.unbind(1), strict=True):
        torch.add(columns, offset[:, None], out=logits)
        largest = logits.amax(0)
        logits -= largest
        logits.clamp_(min=-NEGLIGIBLE).exp_()  # smaller ones would be slow, and count for nothing
        block += largest
        block += logits.sum(0).log_()


def correct_counts(
    effects: Float64[Tensor, "n classes units"],
    bias: Float64[Tensor, " classes"],
    y: Int[Tensor, " n"],
) -> Int[Tensor, " subsets"]:
    """How many examples' own class has a larger logit than every other, of every subset: (2^N,).

    A tie is not right. A logit's lead over another class is a sum a + b, with a and b of the two
    short tables, and positive where a > -b. Both are replaced by their ranks among the a: short
    integers are compared quickest.
    """
    units = effects.shape[-1]
    inner = units // 2
    counts = np.zeros((2 ** (units - inner), 2**inner), np.int32)
    height = min(BLOCK >> inner, len(counts))
    ahead, correct = (np.empty((height, 2**inner), bool) for _ in range(2))
    for some in _parts(len(y), min(255, TABLES // (len(bias) * len(counts)))):  # 255 fit a byte
        ranks, thresholds = _ranks(effects[some], bias, y[some], inner)
        for start in range(0, len(counts), height):
            block = slice(start, start + height)
            tally = np.zeros(correct.shape, np.uint8)
            for rank, threshold in zip(ranks, thresholds[:, :, block, None], strict=True):
                np.greater_equal(rank[0], threshold[0], out=correct)
                for other in range(1, len(rank)):
                    np.greater_equal(rank[other], threshold[other], out=ahead)
                    np.logical_and(correct, ahead, out=correct)
                tally += correct.view(np.uint8)
            counts[block] += tally
    return torch.from_numpy(counts).flatten()


def _parts(count: int, size: int) -> Iterator[slice]:
    """Parts of so many at most, of one at least."""
    size = max(1, size)
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


def _ranks(
    effects: Float64[Tensor, "n classes units"],
    bias: Float64[Tensor, " classes"],
    y: Int[Tensor, " n"],
    inner: int,
) -> tuple[Int16[np.ndarray, "n others columns"], Int16[np.ndarray, "n others rows"]]:
    """Of each example and other class: its own class is ahead where rank >= threshold.

    The rank of a is its place among the short table's in order, the threshold of b how many of
    them are at most -b.
    """
    classes = len(bias)
    others = torch.arange(classes - 1).expand(len(y), -1)
    others = others + (others >= y[:, None])
    examples = torch.arange(len(y))[:, None]
    lead = effects[examples, y[:, None]] - effects[examples, others]
    columns = subset_sums(lead[..., :inner])
    lead_of_bias = (bias[y][:, None] - bias[others])[..., None]
    rows = -(subset_sums(lead[..., inner:]) + lead_of_bias)
    ordered, order = columns.sort(-1)
    places = torch.arange(columns.shape[-1], dtype=torch.int16).expand(columns.shape)
    ranks = torch.empty(columns.shape, dtype=torch.int16).scatter_(-1, order, places)
    thresholds = torch.searchsorted(ordered, rows, right=True)
    return ranks.numpy(), thresholds.to(torch.int16).numpy()


def mean_gradients(
    effects: Float64[Tensor, "n classes units"],
    bias: Float64[Tensor, " classes"],
    y: Int[Tensor, " n"],
    dtype: torch.dtype,
) -> Float[Tensor, "subsets units"]:
    """The derivative of the mean loss by each unit's switch, at every subset: (2^N, N).

    d loss / d s_i = mean over n of (sum over c of p[n, c] effect[n, c, i]) - effect[n, y[n], i]

    with p the softmax of the subset's logits and s_i the factor of unit i's effects.

    Args:
        effects: what a unit that is on adds to a logit.
        bias: the logits of no unit.
        y: classes.
        dtype: of the result; the sums are float64's.
    """
    n, _, units = effects.shape
    own = effects[torch.arange(n), y]
    beside = effects[:, 1:] - effects[:, :1]  # p sums to 1: the first class needs no p
    constant = (effects[:, 0] - own).sum(0)
    inner = units // 2
    result = (constant / n).to(dtype).repeat(2 ** (units - inner), 2**inner, 1)
    height = min(SMALL_BLOCK >> inner, len(result))
    for some in _parts(n, TABLES // (len(bias) * len(result))):
        columns = subset_sums(beside[some, :, :inner])
        rows = subset_sums(beside[some, :, inner:]) + (bias[1:] - bias[:1])[:, None]
        for start in range(0, len(result), height):
            block = slice(start, start + height)
            total = beside.new_zeros(height << inner, units)
            for run in _parts(len(rows), RUN):
                leads = rows[run, :, block, None] + columns[run, :, None]
                p = _shares(leads.flatten(2)).flatten(0, 1)
                total.addmm_(p.T, beside[some][run].flatten(0, 1))
            result[block] += (total / n).view(height, -1, units)
    return result.flatten(0, 1)


def _shares(leads: Float64[Tensor, "n others m"]) -> Float64[Tensor, "n others m"]:
    """The softmax over classes without the first, from the others' leads over it."""
    if leads.shape[1] == 1:
        return leads.sigmoid_()
    largest = leads.amax(1, keepdim=True).clamp_(min=0)
    powers = leads.sub_(largest).clamp_(min=-NEGLIGIBLE).exp_()
    first = largest.neg_().clamp_(min=-NEGLIGIBLE).exp_()
    return powers.div_(first + powers.sum(1, keepdim=True))
