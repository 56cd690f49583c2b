"""The Hessian of a loss: against matrices that are known, and a network left as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from harness_plugins.analyses.solutions import spectra
from harness_plugins.backbones import lesson_cnn
from harness_plugins.probes import hessian
from harness_plugins.probes._curvature.density import quadrature
from harness_plugins.probes._curvature.lanczos import extremes, signs, tridiagonalise
from harness_plugins.probes._curvature.landscape import Landscape
from harness_plugins.probes._curvature.trace import hutch_plus_plus, hutchinson
from torch import nn

from harness.plugin.contracts import Split
from harness.testing import problems
from harness.testing.driving import SGD, start, step
from harness.testing.problems import Problem

DIAGONAL = torch.tensor([10, 5, 1, 0.1, -20, *[0.0] * 45], dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def symmetric(size, seed=0):
    one = normal(size, size, seed=seed)
    return one + one.T


def dense(product, size):
    return torch.stack([product(row) for row in torch.eye(size, dtype=torch.float64)])


def landscape(network, inputs, targets, sizes, loss=nn.functional.cross_entropy):
    """Return the landscape of a float64 network on these examples, in batches of these sizes."""
    batches = list(zip(inputs.split(sizes), targets.split(sizes), strict=True))
    return Landscape(network.double(), batches, loss)


def images(count=20, size=10, classes=3):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return Split(pixels, np.arange(count) % classes, tuple(map(str, range(count))))


def trained(optimizer=SGD, **fields):
    """Return the parts of a small convolutional network, with batch norm, after some steps."""
    build = lambda: lesson_cnn.build((3, 10, 10), 3, 4)  # noqa: E731
    problem = Problem("cnn", build, problems.CLASSES, images(), outputs=3, batch_size=20)
    parts = start(optimizer, problem, {"lr": 0.05})
    rows = parts.ingredients.train
    for _ in range(3):
        parts.step(rows.as_input(rows.inputs), rows.targets)
    return parts


# --- matrices


def test_the_largest_eigenvalue_is_not_the_one_of_largest_modulus():
    product = lambda v: DIAGONAL * v  # noqa: E731
    found = extremes(product, tridiagonalise(product, signs(50, DIAGONAL, seeded()), 20))
    assert found.largest == pytest.approx(10, rel=1e-12)
    assert found.residual < 1e-10
    assert found.smallest == pytest.approx(-20, rel=1e-12)


def test_sign_vectors_give_the_trace_of_a_diagonal_matrix_exactly():
    product = lambda v: DIAGONAL * v  # noqa: E731
    found = hutchinson(product, DIAGONAL, 5, seeded())
    assert found.value == pytest.approx(-3.9, abs=1e-13)
    assert found.error < 1e-13
    assert hutch_plus_plus(product, DIAGONAL, 30, seeded()).value == pytest.approx(-3.9, abs=1e-10)


@pytest.mark.parametrize("size", [1, 2, 7, 30])
def test_all_of_lanczos_is_all_of_the_spectrum(size):
    matrix = symmetric(size)
    run = tridiagonalise(lambda v: matrix @ v, signs(size, matrix[0], seeded()), 99)
    assert torch.allclose(run.eigen()[0], torch.linalg.eigvalsh(matrix), atol=1e-10)
    assert torch.allclose(run.basis @ run.basis.T, torch.eye(size, dtype=torch.float64), atol=1e-12)


def test_lanczos_ends_where_its_space_does():
    matrix = torch.diag(torch.tensor([3.0, 3.0, 3.0, -1.0, -1.0], dtype=torch.float64))  # two different eigenvalues
    run = tridiagonalise(lambda v: matrix @ v, normal(5), 5)
    assert torch.allclose(run.eigen()[0], torch.tensor([-1.0, 3.0], dtype=torch.float64))
    nothing = tridiagonalise(torch.zeros_like, normal(5), 5)
    assert extremes(torch.zeros_like, nothing) == type(extremes(torch.zeros_like, nothing))(0.0, 0.0, 0.0)


def test_the_residual_is_large_until_lanczos_has_converged():
    matrix = symmetric(200)
    product = lambda v: matrix @ v  # noqa: E731
    residuals = [extremes(product, tridiagonalise(product, normal(200), steps)).residual for steps in (2, 10, 80)]
    assert residuals[0] > 0.1
    assert residuals[0] > residuals[1] > residuals[2]
    assert residuals[2] < 1e-6


def test_hutch_plus_plus_is_exact_for_low_rank_and_within_its_error_otherwise():
    low = normal(60, 4)
    exact = hutch_plus_plus(lambda v: low @ (low.T @ v), low[:, 0], 18, seeded())
    assert exact.value == pytest.approx(float((low**2).sum()), rel=1e-10)
    assert exact.error < 1e-8
    assert exact.products == 18
    matrix, like = symmetric(60), normal(60)
    misses = []
    for seed in range(200):
        found = hutch_plus_plus(lambda v: matrix @ v, like, 60, seeded(seed))
        misses.append((found.value - float(matrix.trace())) / found.error)
    assert abs(np.mean(misses)) < 0.25  # no bias; its standard error is .07
    assert 0.8 < np.std(misses) < 1.3  # 19 degrees of freedom: 1.06


def test_hutch_plus_plus_is_the_better_one_where_some_eigenvalues_are_large():
    values = torch.cat([torch.tensor([100.0, 50.0, 20.0], dtype=torch.float64), normal(97)])
    turn = torch.linalg.qr(normal(100, 100, seed=1)).Q
    product = lambda v: turn @ (values * (turn.T @ v))  # noqa: E731
    plain = [hutchinson(product, values, 60, seeded(seed)).value for seed in range(20)]
    better = [hutch_plus_plus(product, values, 60, seeded(seed)).value for seed in range(20)]
    assert np.std(better) < np.std(plain) / 3


@pytest.mark.parametrize(("estimate", "count"), [(hutchinson, 1), (hutch_plus_plus, 5)])
def test_too_few_products_are_refused(estimate, count):
    with pytest.raises(ValueError, match=f"for a standard error, got {count}"):
        estimate(lambda v: v, normal(3), count, seeded())


def test_the_quadrature_has_the_moments_of_the_spectrum():
    matrix = symmetric(80) / 20
    runs = [tridiagonalise(lambda v: matrix @ v, signs(80, matrix[0], seeded(seed)), 25) for seed in range(60)]
    nodes, weights = quadrature(runs)
    assert float(weights.sum()) == pytest.approx(1, rel=1e-12)
    assert bool((nodes.diff() >= 0).all())
    values = torch.linalg.eigvalsh(matrix)
    for power in (1, 2, 3, 4):
        assert float((weights * nodes**power).sum()) == pytest.approx(float((values**power).mean()), abs=0.03)


@pytest.mark.parametrize("nodes", [[-1.0, 0.0, 4.0], [0.0, 0.0, 0.0]])
def test_the_smoothed_density_is_one(nodes):
    axis, width = spectra.axis_of(np.array(nodes))
    heights = spectra.density(axis, np.array(nodes), np.array([0.2, 0.5, 0.3]), width)
    assert np.trapezoid(heights, axis) == pytest.approx(1, abs=1e-4)
    assert axis[heights.argmax()] == pytest.approx(0, abs=0.02)


# --- the Hessian of networks


def test_the_hessian_of_softmax_regression_is_the_closed_form_on_ragged_batches():
    inputs, targets = normal(23, 4), torch.arange(23) % 3
    network = nn.Linear(4, 3, bias=False).double()
    loss = landscape(network, inputs, targets, [7, 1, 10, 5])
    p = network(inputs).softmax(1).detach()
    middle = torch.diag_embed(p) - p[:, :, None] * p[:, None]  # [N, 3, 3]
    closed = torch.einsum("nij,na,nb->iajb", middle, inputs, inputs).reshape(12, 12) / 23
    found = dense(loss.hessian(loss.weights()), 12)
    assert float((found - closed).abs().max()) < 1e-10


def small():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3))
    return landscape(network, normal(31, 5), torch.arange(31) % 3, [16, 15])


def exact_hessian(loss):
    """Return the dense Hessian by another way: differences of gradients of one batch of everything."""
    inputs, parameters = torch.cat([inputs for inputs, _ in loss.batches]), list(loss.network.parameters())
    here, step, rows = loss.weights(), 1e-4, []

    def slope(point):
        nn.utils.vector_to_parameters(point, parameters)
        value = loss.loss(loss.network(inputs), loss.targets())
        return torch.cat([each.reshape(-1) for each in torch.autograd.grad(value, parameters)])

    for unit in torch.eye(len(here), dtype=torch.float64):
        far, near = (slope(here + k * step * unit) - slope(here - k * step * unit) for k in (2, 1))
        rows.append((8 * near - far) / (12 * step))  # exact to the fourth order
    nn.utils.vector_to_parameters(here, parameters)
    return torch.stack(rows)


def test_all_measures_agree_with_the_dense_hessian_of_a_small_network():
    loss = small()
    matrix, weights, product = exact_hessian(loss), loss.weights(), loss.hessian(loss.weights())
    error = 1e-10  # of the differences, in an entry: their fourth order at steps of 1e-4 and rounding leave about 1e-12
    assert torch.allclose(dense(product, len(weights)), matrix, atol=error)
    values = torch.linalg.eigvalsh((matrix + matrix.T) / 2)
    ends = extremes(product, tridiagonalise(product, signs(len(weights), weights, seeded()), 40))
    assert ends.largest == pytest.approx(float(values[-1]), rel=1e-6)
    assert ends.smallest == pytest.approx(float(values[0]), abs=1e-3)
    assert ends.smallest >= float(values[0]) - len(weights) * error  # from within; the differences move eigenvalues too
    trace = hutch_plus_plus(product, weights, 60, seeded())
    assert abs(trace.value - float(values.sum())) <= 3 * trace.error
    starts = [signs(len(weights), weights, seeded(seed)) for seed in range(3)]
    nodes, shares = quadrature([tridiagonalise(product, start, 20) for start in starts])
    for power in (1, 2, 3, 8):  # Gauss quadrature is exact up to 39, for these starts
        moment = sum(float(start @ torch.linalg.matrix_power(matrix, power) @ start) for start in starts)
        assert float((shares * nodes**power).sum()) == pytest.approx(moment / 3 / len(weights), rel=1e-8)


def test_the_largest_eigenvalue_is_that_of_scipy():
    from scipy.sparse.linalg import LinearOperator, eigsh

    loss = small()
    product, size = loss.hessian(loss.weights()), len(loss.weights())
    other = LinearOperator((size, size), matvec=lambda v: product(torch.from_numpy(v.ravel())).numpy(), dtype="float64")
    (largest,) = eigsh(other, k=1, which="LA", return_eigenvectors=False, v0=np.ones(size))
    assert extremes(product, tridiagonalise(product, normal(size), 40)).largest == pytest.approx(largest, rel=1e-8)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # torch's own rules for jvp
def test_the_product_agrees_with_curvlinops():
    curvlinops = pytest.importorskip("curvlinops", reason="curvlinops is not installed here; tox installs it")
    loss = small()
    parameters = list(loss.network.parameters())
    other = curvlinops.HessianLinearOperator(
        loss.network, nn.CrossEntropyLoss(), parameters, list(loss.batches), check_deterministic=False
    )
    vector = normal(len(loss.weights()))
    assert torch.allclose(other @ vector, loss.hessian(loss.weights())(vector), atol=1e-12)


def test_a_loss_that_is_linear_in_the_weights_has_no_curvature():
    loss = landscape(nn.Linear(3, 1), normal(4, 3), normal(4, 1), 4, loss=lambda out, _: out.mean())
    assert not loss.hessian(loss.weights())(normal(4)).any()


def test_rescaled_layers_compute_the_same_and_have_other_eigenvalues():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)).double()
    loss = landscape(network, normal(40, 6), torch.arange(40) % 3, 40)

    def look():
        weights = loss.weights()
        values = torch.linalg.eigvalsh(dense(loss.hessian(weights), len(weights)))
        return loss.visit(weights).outputs.detach(), float(values[-1]), float(values.sum())

    before, largest, trace = look()
    with torch.no_grad():
        for parameter in network[0].parameters():
            parameter.mul_(10)
        network[2].weight.div_(10)
    after, scaled, scaled_trace = look()
    assert float((before - after).abs().max()) < 1e-13  # sums of 16 products of size 1, in float64
    assert scaled > 10 * largest
    assert scaled_trace > 10 * trace


def test_gradient_descent_trains_to_the_edge_of_stability():
    """Cohen et al. 2021: the largest eigenvalue rises to two over the learning rate, and stays near it."""
    from sklearn.datasets import load_digits

    digits, rate = load_digits(), 0.4
    inputs = torch.tensor(digits.data[:512], dtype=torch.float32)
    inputs = (inputs - inputs.mean(0)) / inputs.std(0).clamp_min(1e-3)
    targets = nn.functional.one_hot(torch.tensor(digits.target[:512]), 10).float()
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
    loss = Landscape(network, [(inputs, targets)], lambda out, right: (out - right).square().sum(1).mean() / 2)

    def edge_ratio():
        product, weights = loss.hessian(loss.weights()), loss.weights()
        return rate / 2 * extremes(product, tridiagonalise(product, signs(len(weights), weights, seeded()), 15)).largest

    optimizer, begun = torch.optim.SGD(network.parameters(), rate), edge_ratio()
    for _ in range(800):
        optimizer.zero_grad()
        loss.loss(network(inputs), targets).backward()
        optimizer.step()
    assert begun < 0.8
    assert 0.95 < edge_ratio() < 1.1  # 1.03 to 1.04, by the processor's arithmetic: at the edge, rounding errors grow


# --- the probe


def state_of(parts):
    return {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}


def test_the_probe_measures_the_network_and_leaves_it_alone():
    parts = trained()
    parts.model.train()
    before = state_of(parts)
    found = hessian.measure(parts, images=20, lanczos=20, hutchinson=6, slq_probes=2, slq_steps=5)
    assert all(torch.equal(tensor, parts.model.state_dict()[name]) for name, tensor in before.items())
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in parts.model.parameters())
    assert parts.model.training
    assert found["lambda_max_residual"] < 0.01
    assert found["trace_se"] > 0
    assert found["lambda_min"] < found["lambda_max"]
    assert found["nodes"].shape == found["weights"].shape == (25,)
    again = hessian.measure(parts, images=20, lanczos=20, hutchinson=6, slq_probes=2, slq_steps=5)
    for name, value in found.items():
        assert np.array_equal(value, again[name]), name


def test_the_probe_is_of_evaluation_mode_and_the_whole_split():
    parts = trained()
    found = hessian.measure(parts, lanczos=30, hutchinson=6, slq_probes=1)
    rows, network = parts.ingredients.train, parts.model.eval().double()
    one = landscape(network, rows.as_input(rows.inputs).double(), rows.targets, [20])
    product = one.hessian(one.weights())
    exact = extremes(product, tridiagonalise(product, normal(len(one.weights())), 40))
    assert found["lambda_max"] == pytest.approx(exact.largest, rel=1e-3)


def test_it_measures_a_network_on_rows():
    parts = start(SGD, problems.NORMALISED)
    step(parts, 5)
    assert hessian.measure(parts, images=30, lanczos=5, hutchinson=6, slq_probes=1)["lambda_max"] > 0
