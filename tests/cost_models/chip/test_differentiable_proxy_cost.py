"""The smooth cost: exact at smoothing 0, near it nearby, and its gradient against differences."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from placezoo import datasets
from placezoo.cost_models import DifferentiableProxyCost, ProxyCost
from tests.examples import examples
from tests.instances import netlists

NAMES = ("wirelength", "density", "congestion")


@given(netlists(), st.integers(0, 2))
@examples(40)
def test_without_smoothing_it_is_the_exact_cost(netlist, smoothing_range):
    exact = ProxyCost(netlist, smoothing_range).evaluate(netlist.placement)
    smooth = DifferentiableProxyCost(netlist, smoothing_range)
    terms = smooth.terms(smooth.places(netlist.placement))
    assert [float(terms[name]) for name in NAMES] == pytest.approx([exact.terms[n] for n in NAMES], rel=1e-9, abs=1e-9)


def test_rounding_puts_no_macro_into_the_column_before_it():
    """Every cell of a grid holds a macro of its size, whose edges are those of the cells but for rounding."""
    for columns in range(2, 12):
        netlist = datasets.generate_netlist(num_hard=columns, num_soft=2, grid=(columns, 3), seed=columns)
        cell = np.array([55.0 / columns, 20.0 / 3])
        sizes = netlist.sizes.copy()
        hard = netlist.hard_macros
        sizes[hard] = cell
        canvas = dataclasses.replace(netlist.canvas, width=55.0, height=20.0, macro_routes=(9.0, 9.0))
        centers = netlist.centers.copy()
        centers[hard] = (np.stack([np.arange(columns), np.full(columns, 2)], 1) + 0.5) * cell
        netlist = dataclasses.replace(netlist, canvas=canvas, sizes=sizes, centers=centers)
        smooth = DifferentiableProxyCost(netlist)
        congestion = float(smooth.terms(smooth.places(netlist.placement))["congestion"])
        assert congestion == pytest.approx(ProxyCost(netlist).evaluate(netlist.placement).terms["congestion"], rel=1e-9)


def spread_out(seed, **sizes):
    netlist = datasets.generate_netlist(**{"num_hard": 8, "num_soft": 30, "seed": seed, **sizes})
    rng = np.random.default_rng(seed)
    canvas = netlist.canvas
    return netlist, netlist.with_positions(
        {netlist.names[m]: rng.uniform(0.05, 0.95, 2) * [canvas.width, canvas.height] for m in netlist.macros}
    )


@pytest.mark.parametrize("seed", range(3))
def test_values_approach_the_exact_cost_as_the_smoothing_goes_to_zero(seed):
    netlist, placement = spread_out(seed)
    exact = ProxyCost(netlist).evaluate(placement)
    smooth = DifferentiableProxyCost(netlist)
    places = smooth.places(placement)
    for name in NAMES:
        errors = [abs(float(smooth.terms(places, s)[name]) - exact.terms[name]) for s in (1.0, 0.1, 0.01, 1e-4)]
        assert errors[-1] < 1e-3
        assert errors[-1] <= errors[1] <= errors[0] + 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_those_of_the_smooth_cost(seed):
    """Within a cell nothing jumps: central differences agree."""
    netlist, placement = spread_out(seed, num_hard=3, num_soft=6, grid=(9, 9))
    smooth = DifferentiableProxyCost(netlist, smoothing_range=1)
    places = smooth.places(placement).requires_grad_()
    smooth(places, 0.7).sum().backward()
    step, checked = 1e-4, 0
    for block in range(places.shape[1]):
        for axis in range(2):
            values = []
            for sign in (1, -1):
                moved = places.detach().clone()
                moved[0, block, axis] += sign * step
                values.append(float(smooth(moved, 0.7)))
            difference = (values[0] - values[1]) / (2 * step)
            gradient = float(places.grad[0, block, axis])
            if abs(difference) < 1:  # else a pin changed its cell within the step
                assert gradient == pytest.approx(difference, rel=0.02, abs=2e-6)
                checked += 1
    assert checked > places.shape[1]


def test_a_batch_is_its_parts():
    netlist, placement = spread_out(5)
    smooth = DifferentiableProxyCost(netlist)
    both = torch.cat([smooth.places(placement), smooth.places(netlist.placement)])
    for smoothing in (0.0, 0.5):
        together = smooth(both, smoothing)
        apart = torch.cat([smooth(both[:1], smoothing), smooth(both[1:], smoothing)])
        torch.testing.assert_close(together, apart)


def test_descent_lowers_the_exact_cost():
    netlist, placement = spread_out(9)
    smooth = DifferentiableProxyCost(netlist)
    movable = torch.as_tensor(smooth.exact.block_of_node[netlist.soft_macros])
    places = smooth.places(placement)
    soft = places[:, movable].clone().requires_grad_()
    optimizer = torch.optim.Adam([soft], lr=0.2 * netlist.canvas.cell_width)
    for _ in range(60):
        optimizer.zero_grad()
        smooth(places.index_copy(1, movable, soft), 0.5).sum().backward()
        optimizer.step()
    after = places.index_copy(1, movable, soft.detach())
    assert float(smooth(after)) < 0.9 * float(smooth(places))


def test_bad_input():
    netlist, placement = spread_out(0)
    smooth = DifferentiableProxyCost(netlist)
    with pytest.raises(ValueError, match="places must have the shape"):
        smooth(smooth.places(placement)[:, :-1])
    with pytest.raises(ValueError, match="smoothing"):
        smooth(smooth.places(placement), -1.0)
    with pytest.raises(ValueError, match="proxy cost is of a Netlist"):
        DifferentiableProxyCost("netlist")
