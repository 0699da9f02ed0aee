"""The references against each other, and against numbers by hand."""

import itertools

import numpy as np
import pytest

from tests import reference

TARGET, SOURCE, QUERY, MEMORY, UNITS = 3, 5, 7, 11, 13
SOME = [True, False, True, True, False]


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def close(actual, expected, atol=1e-12):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def slopes(function, x, step=1e-6):
    """`d function(x) / d x` by central differences."""
    x = np.array(x)
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        moved = np.zeros(x.shape)
        moved[index] = step
        gradient[index] = function(x + moved) - function(x - moved)
    return gradient / (2 * step)


def past_of(alignments, step=0):
    return reference.Past(np.array(alignments), np.array(alignments), step)


class TestSparsemax:
    def test_by_hand(self):
        # Support 2, threshold (1 + 0.8 - 1) / 2 = 0.4.
        close(reference.sparsemax([0.1, 1.0, 0.8]), [0.0, 0.6, 0.4])
        close(
            reference.sparsemax([0.1, 9.0, 0.1], [True, False, True]),
            [0.5, 0.0, 0.5],
        )
        close(reference.sparsemax([1.0, 2.0], [False, False]), [0.0, 0.0])

    @pytest.mark.parametrize("difference", [-3.0, -1.0, -0.4, 0.0, 0.7, 2.0])
    def test_two_entries(self, difference):
        first = min(max((1 + difference) / 2, 0), 1)
        close(reference.sparsemax([5.0 + difference, 5.0]), [first, 1 - first])

    @pytest.mark.parametrize("seed", range(3))
    def test_nearest_point_of_the_simplex(self, seed):
        scores = draw(3, seed=seed)
        alignments = reference.sparsemax(scores)
        close(sum(alignments), 1)
        parts = 80
        grid = [
            np.array([one, two, parts - one - two]) / parts
            for one in range(parts + 1)
            for two in range(parts + 1 - one)
        ]
        nearest = min(grid, key=lambda point: sum((point - scores) ** 2))
        assert sum((alignments - scores) ** 2) <= sum((nearest - scores) ** 2)
        close(alignments, nearest, atol=2 / parts)


@pytest.mark.parametrize("allowed", [None, SOME])
@pytest.mark.parametrize("name", ["softmax", "sparsemax"])
def test_gradients(name, allowed):
    scores, upstream = draw(SOURCE, seed=1), draw(SOURCE, seed=2)
    normalizer = getattr(reference, name)
    close(
        getattr(reference, f"{name}_gradient")(scores, upstream, allowed),
        slopes(lambda x: upstream @ normalizer(x, allowed), scores),
        atol=1e-8,
    )


def monotonic_by_outcomes(stop):
    """The mean over all outcomes of the hard process, `stop`'s shape."""
    expected = np.zeros(stop.shape)
    for outcome in itertools.product([0, 1], repeat=stop.size):
        outcome = np.reshape(outcome, stop.shape)
        chance = np.prod(np.where(outcome, stop, 1 - stop))
        position = 0
        for step, stops in enumerate(outcome):
            ahead = [one for one in np.flatnonzero(stops) if one >= position]
            if not ahead:
                break
            position = ahead[0]
            expected[step, position] += chance
    return expected


class TestMonotonic:
    @pytest.mark.parametrize("allowed", [None, [True, False, True, True]])
    def test_all_outcomes(self, allowed):
        scores = draw(3, 4, seed=3)
        _, alignments = reference.attend_in_turn(
            scores,
            np.eye(4),
            np.eye(4),
            lambda query, keys, past: query,
            normalizer=reference.monotonic,
            allowed=allowed,
        )
        stop = [reference.stop_probabilities(one, allowed) for one in scores]
        close(alignments, monotonic_by_outcomes(np.array(stop)))

    def test_recurrence(self):
        """Raffel et al. (2017), eqs. 13-14."""
        previous = reference.softmax(draw(SOURCE, seed=4))
        scores = draw(SOURCE, seed=5)
        stop = reference.sigmoid(scores)
        arrives, expected = 0.0, []
        for position in range(SOURCE):
            passed = 1 - stop[position - 1] if position else 0.0
            arrives = passed * arrives + previous[position]
            expected.append(stop[position] * arrives)
        close(reference.monotonic(scores, None, past_of(previous)), expected)

    def test_hard_by_hand(self):
        # From position 1 on: 1 is below, 2 on the edge, 3 above.
        past = past_of([0.0, 1.0, 0.0, 0.0, 0.0])
        scores = [9.0, -1.0, 0.0, 0.1, 9.0]
        close(reference.hard_monotonic(scores, None, past), [0, 0, 0, 1, 0])
        close(
            reference.hard_monotonic(scores, [True] * 3 + [False] * 2, past),
            np.zeros(5),
        )
        close(
            reference.hard_monotonic(scores, None, past_of(np.zeros(5))),
            np.zeros(5),
        )

    def test_hard_is_the_limit(self):
        options = {"score": lambda query, keys, past: query}
        inputs = (40 * np.sign(draw(4, 6, seed=6)), np.eye(6), np.eye(6))
        _, hard = reference.attend_in_turn(
            *inputs, normalizer=reference.hard_monotonic, **options
        )
        _, soft = reference.attend_in_turn(
            *inputs, normalizer=reference.monotonic, **options
        )
        assert hard.sum() >= 2
        close(soft, hard)


class TestWindows:
    def look(self, window, allowed, step=0, query=()):
        past = past_of(np.zeros(len(allowed)), step)
        return window(np.array(query), allowed, past)

    def test_causal(self):
        assert self.look(reference.causal, SOME, 2) == (
            [True, False, True, False, False],
            None,
        )

    def test_local_m(self):
        window = reference.local_m(1)
        assert self.look(window, [True] * 5, 0)[0] == [1, 1, 0, 0, 0]
        assert self.look(window, [True] * 5, 3)[0] == [0, 0, 1, 1, 1]
        assert self.look(window, SOME, 1)[0] == [1, 0, 1, 0, 0]
        assert not any(self.look(window, SOME, 7)[0])

    def test_local_p(self):
        # The source is 4 long, sigmoid(0) = 1/2: p_t = 2. sigma = 1/2.
        window = reference.local_p(1, np.ones((1, 1)), np.ones(1))
        allowed, weights = self.look(
            window, [True, True, True, True, False], query=[0.0]
        )
        assert allowed == [0, 1, 1, 1, 0]
        close(weights[1:4], [np.exp(-2), 1, np.exp(-2)])

    def test_local_p_between_positions(self):
        # sigmoid(log 3) = 3/4: p_t = 3.75 of 5; the window is [2.75, 4.75].
        vector = np.array([np.log(3) / np.tanh(1)])
        window = reference.local_p(1, np.ones((1, 1)), vector)
        _, alignments = reference.attend_in_turn(
            np.ones((1, 1)),
            np.eye(5),
            np.eye(5),
            lambda query, keys, past: np.zeros(5),
            window,
        )
        inside = [np.exp(-(0.75**2) * 2) / 2, np.exp(-(0.25**2) * 2) / 2]
        close(alignments[0], [0, 0, 0, *inside])


class TestScores:
    query = draw(QUERY, seed=7)
    keys = draw(SOURCE, MEMORY, seed=8)
    kernels = (draw(UNITS, QUERY, seed=9), draw(UNITS, MEMORY, seed=10))
    vector, bias = draw(UNITS, seed=11), draw(UNITS, seed=12)
    past = past_of(reference.softmax(draw(SOURCE, seed=13)))

    def additive(self, bias):
        score = reference.each(
            reference.additive_score(*self.kernels, self.vector, bias)
        )
        return score(self.query, self.keys)

    def test_additive_by_hand(self):
        score = reference.additive_score(
            np.array([[1.0]]), np.array([[2.0]]), np.array([3.0]), -4.0
        )
        close(score(np.array([0.5]), np.array([2.0])), 3 * np.tanh(0.5))

    def test_normalized_additive(self):
        for vector in (self.vector, 5 * self.vector):
            score = reference.normalized_additive_score(
                *self.kernels,
                vector,
                2 * np.linalg.norm(self.vector),
                self.bias,
                offset=-4.0,
            )
            close(
                reference.each(score)(self.query, self.keys),
                2 * self.additive(self.bias) - 4,
            )

    @pytest.mark.parametrize("longest", [2, SOURCE, 8])
    def test_location(self, longest):
        matrix = draw(longest, QUERY, seed=14)
        score = reference.location_score(matrix)
        _, alignments = reference.attend_in_turn(
            self.query[None], self.keys, self.keys, score
        )
        expected = np.zeros(SOURCE)
        reached = min(longest, SOURCE)
        expected[:reached] = reference.softmax(matrix[:reached] @ self.query)
        close(alignments[0], expected)
        close(sum(alignments[0]), 1)

    def test_location_of_nothing(self):
        """All that is allowed lies beyond the matrix."""
        score = reference.location_score(draw(2, QUERY, seed=14))
        _, alignments = reference.attend_in_turn(
            self.query[None],
            self.keys,
            self.keys,
            score,
            allowed=[False, False, True, True, False],
        )
        close(alignments[0], np.zeros(SOURCE))

    def test_location_features_by_hand(self):
        alignments = [0.1, 0.2, 0.7]
        three = np.array([[1.0, 10.0, 100.0]])
        close(
            reference.location_features(alignments, three)[:, 0],
            [1 + 20, 0.1 + 2 + 70, 0.2 + 7],
        )
        # An even filter has one more place on the right.
        two = np.array([[1.0, 10.0]])
        close(
            reference.location_features(alignments, two)[:, 0],
            [0.1 + 2, 0.2 + 7, 0.7],
        )

    @pytest.mark.parametrize("of", ["alignments", "accumulated"])
    def test_location_sensitive(self, of):
        """A filter that picks the position itself is like coverage."""
        past = reference.Past(self.past.alignments, draw(SOURCE, seed=15))
        column = draw(UNITS, seed=16)
        score = reference.location_sensitive_score(
            *self.kernels,
            column[:, None],
            np.array([[0.0, 1.0, 0.0]]),
            self.vector,
            self.bias,
            of,
        )
        like = reference.coverage_score(
            *self.kernels, column, self.vector, self.bias
        )
        seen = reference.Past(draw(SOURCE, seed=36), getattr(past, of))
        scores = score(self.query, self.keys, past)
        close(scores, like(self.query, self.keys, seen))
        assert np.max(np.abs(scores - self.additive(self.bias))) > 0.1

    def test_without_memory_they_are_additive(self):
        filters, matrix = draw(2, 3, seed=17), draw(UNITS, 2, seed=18)
        expected = self.additive(self.bias)
        for score in (
            reference.location_sensitive_score(
                *self.kernels, matrix, filters, self.vector, self.bias
            ),
            reference.coverage_score(
                *self.kernels, matrix[:, 0], self.vector, self.bias
            ),
        ):
            nothing = past_of(np.zeros(SOURCE))
            close(score(self.query, self.keys, nothing), expected)

    def test_coverage_loss_by_hand(self):
        alignments = np.array([[0.5, 0.5, 0.0], [0.2, 0.7, 0.1], [0.1, 0, 0.9]])
        close(
            reference.coverage(alignments),
            [[0, 0, 0], [0.5, 0.5, 0], [0.7, 1.2, 0.1]],
        )
        close(reference.coverage_loss(alignments), [0, 0.7, 0.2])
