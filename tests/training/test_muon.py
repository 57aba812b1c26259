"""Muon moves kernels by orthogonal matrices and leaves everything else to Adam."""

import keras
import numpy as np
import pytest

from trainer.training.muon import Muon, orthogonalised
from trainer.training.optimizer import FusedAdam


def variables(*shapes, seed=0):
    random = np.random.default_rng(seed)
    return [keras.Variable(random.normal(size=shape).astype("float32")) for shape in shapes]


def value(variable):
    return keras.ops.convert_to_numpy(variable)


def reference_step(kernel, momentum, gradient, *, rate, mu):
    """One step written out with NumPy, the iteration included."""
    columns = kernel.shape[-1]
    momentum = mu * momentum + gradient
    x = (gradient + mu * momentum).reshape(-1, columns)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (np.linalg.norm(x) + 1e-7)
    for _ in range(3):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    x = (x.T if tall else x).reshape(kernel.shape)
    return kernel * np.sqrt(columns) / np.linalg.norm(kernel) - rate * x, momentum


@pytest.mark.parametrize("shape", [(3, 3, 2, 4), (3, 3, 8, 4), (1, 1, 3, 16)])
def test_kernels_move_as_written_out_with_numpy(shape):
    (kernel,) = variables(shape)
    optimizer = Muon(0.01, peak=0.02, kernel_learning_rate=0.1, momentum=0.6)
    optimizer.build([kernel])
    expected, momentum = value(kernel).astype(np.float64), np.zeros(shape)
    for step in range(3):
        gradient = np.random.default_rng(step).normal(size=shape)
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype("float32"))], [kernel])
        expected, momentum = reference_step(expected, momentum, gradient, rate=0.05, mu=0.6)
        np.testing.assert_allclose(value(kernel), expected, rtol=1e-4, atol=1e-4)


def test_everything_else_moves_as_with_adam():
    shapes = [(3, 3, 1, 8), (8,), (20, 5)]
    moved = []
    for optimizer in (
        Muon(0.01, peak=0.01, kernel_learning_rate=0.1, weight_decay=0.02),
        FusedAdam(0.01, weight_decay=0.02),
    ):
        weights = variables(*shapes)
        optimizer.build(weights)
        for step in range(5):
            gradients = [np.random.default_rng(step).normal(size=shape).astype("float32") for shape in shapes]
            optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], weights)
        moved.append([value(weight) for weight in weights])
    for ours, adams in zip(*moved, strict=True):
        np.testing.assert_array_equal(ours, adams)


def test_weight_decay_leaves_kernels_alone():
    moved = []
    for decay in (None, 0.5):
        (kernel,) = variables((3, 3, 4, 4))
        optimizer = Muon(0.01, peak=0.01, kernel_learning_rate=0.1, weight_decay=decay)
        optimizer.build([kernel])
        optimizer.apply([keras.ops.ones((3, 3, 4, 4))], [kernel])
        moved.append(value(kernel))
    np.testing.assert_array_equal(*moved)


@pytest.mark.parametrize("shape", [(64, 16), (16, 64), (32, 32)])
def test_every_singular_value_comes_near_one_and_the_directions_stay(shape):
    matrix = np.random.default_rng(3).normal(size=shape).astype("float32")
    result = value(orthogonalised(keras.ops.convert_to_tensor(matrix)))
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    along = np.diag(left.T @ result @ right.T)
    # Singular values that are tiny from the start need more rounds; a square random matrix has some.
    assert np.median(along) == pytest.approx(1, abs=0.3)
    assert along.max() < 1.3
    np.testing.assert_allclose(result, left @ np.diag(along) @ right, atol=1e-4)


def test_the_same_after_saving_and_loading_its_configuration():
    optimizer = Muon(0.01, peak=0.02, kernel_learning_rate=0.1, momentum=0.7, weight_decay=0.02)
    assert Muon.from_config(optimizer.get_config()).get_config() == optimizer.get_config()
