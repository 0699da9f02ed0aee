"""The references of whole attentions, and of positions that are drawn."""

import numpy as np
import pytest

from tests import reference
from tests.test_reference import (
    MEMORY,
    QUERY,
    SOME,
    SOURCE,
    TARGET,
    UNITS,
    close,
    draw,
    slopes,
)


class TestInTurn:
    queries = draw(TARGET, QUERY, seed=19)
    value = draw(SOURCE, MEMORY, seed=20)
    key = draw(SOURCE, 17, seed=21)
    score = staticmethod(reference.general_score(draw(QUERY, 17, seed=22)))

    @pytest.mark.parametrize("causal", [False, True])
    def test_equals_all_at_once_without_memory(self, causal):
        expected = reference.attention(
            self.queries[None],
            self.value[None],
            self.key[None],
            self.score,
            mask=[SOME],
            causal=causal,
        )
        window = reference.causal if causal else reference.everywhere
        triangle = np.tril(np.ones((TARGET, SOURCE), bool))
        for arguments in (
            {"window": window, "allowed": SOME},
            {"allowed": triangle & SOME if causal else SOME},
        ):
            results = reference.attend_in_turn(
                self.queries,
                self.value,
                self.key,
                reference.each(self.score),
                **arguments,
            )
            for result, one in zip(results, expected, strict=True):
                close(result, one[0])

    def test_what_is_remembered(self):
        """Alignments after the window's weights, and their sum."""
        seen = []

        def score(query, keys, past):
            seen.append(past)
            return reference.each(self.score)(query, keys)

        window = reference.local_p(
            2, draw(UNITS, QUERY, seed=23), draw(UNITS, seed=24)
        )
        start = draw(SOURCE, seed=25)
        _, alignments = reference.attend_in_turn(
            self.queries, self.value, self.key, score, window, start=start
        )
        assert [past.step for past in seen] == [0, 1, 2]
        close(seen[0].alignments, start)
        close(seen[2].alignments, alignments[1])
        close(
            [past.accumulated for past in seen], reference.coverage(alignments)
        )
        assert 0 < sum(alignments[0]) < 1

    def test_nothing_allowed(self):
        contexts, alignments = reference.attend_in_turn(
            self.queries,
            self.value,
            self.key,
            reference.each(self.score),
            allowed=[False] * SOURCE,
        )
        close(contexts, np.zeros((TARGET, MEMORY)))
        close(alignments, np.zeros((TARGET, SOURCE)))

    def test_as_the_look_of_a_decoder(self):
        """A cell that hands on its input asks with the inputs."""
        score = reference.coverage_score(
            draw(UNITS, QUERY, seed=26),
            draw(UNITS, MEMORY, seed=27),
            draw(UNITS, seed=28),
            draw(UNITS, seed=29),
        )
        outputs, alignments, _ = reference.decode(
            self.queries,
            self.value,
            [lambda inputs, states: (inputs, [inputs])],
            [[np.zeros(QUERY)]],
            reference.remembering(score),
            attend_before=False,
        )
        expected = reference.attend_in_turn(
            self.queries, self.value, self.value, score
        )
        close(outputs[:, QUERY:], expected[0])
        close(alignments, expected[1])


class TestHardAttention:
    scores = draw(2, 4, seed=30)
    tables = np.array([reference.softmax(one) for one in scores])
    rewards = draw(4, 4, seed=31)

    def test_entropy(self):
        close(reference.entropy(np.full(4, 0.25)), np.log(4))
        close(reference.entropy([0.0, 1.0, 0.0]), 0)
        close(reference.effective_positions([0.5, 0.0, 0.5]), 2)

    def test_expectation(self):
        first, second = self.tables
        expected = first @ self.rewards @ second
        close(
            reference.expectation(lambda path: self.rewards[path], self.tables),
            expected,
        )

    def test_path_expectation(self):
        """The second step starts from the first one's position."""
        chain = np.array(
            [reference.softmax(one) for one in draw(4, 4, seed=32)]
        )
        close(
            reference.path_expectation(
                lambda path: self.rewards[path],
                lambda path: chain[path[0]] if path else self.tables[0],
                2,
                4,
            ),
            self.tables[0] @ np.sum(chain * self.rewards, axis=1),
        )

    def test_expectation_gradient(self):
        def reward(path):
            return self.rewards[path]

        def expected(scores):
            tables = [reference.softmax(one) for one in scores]
            return reference.expectation(reward, tables)

        close(
            reference.expectation_gradient(reward, self.scores),
            slopes(expected, self.scores),
            atol=1e-8,
        )

    def test_log_probability_and_marginal(self):
        close(reference.log_probability([0.2, 0.8], 1), np.log(0.8))
        close(
            reference.marginal_log_likelihood([0.2, 0.8], [0.5, 0.1]),
            np.log(0.18),
        )

    def test_gumbel_softmax(self):
        scores, noise = draw(SOURCE, seed=33), draw(SOURCE, seed=34)
        close(
            reference.gumbel_softmax(scores, 0 * noise, 1.0, SOME),
            reference.softmax(scores, SOME),
        )
        close(
            reference.gumbel_softmax(scores, noise, 0.5, SOME),
            reference.softmax(2 * (scores + noise), SOME),
        )
        close(
            reference.gumbel_softmax(scores, noise, 1e-3, SOME),
            reference.gumbel_max(scores, noise, SOME),
            atol=1e-6,
        )

    def test_gumbel_max_draws_the_alignments(self):
        noise = np.random.default_rng(35).gumbel(size=(4000, 4))
        drawn = [reference.gumbel_max(self.scores[0], one) for one in noise]
        # Four standard deviations.
        close(np.mean(drawn, axis=0), self.tables[0], atol=0.032)
