"""The words and the pictures of an explanation: they say what was measured, and no more."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.attention import Attention
from quantdesk.evaluation.explanation.findings import Explanation, Fall, Family, Flow, Record
from quantdesk.evaluation.explanation.summary import arrays, summary
from quantdesk.evaluation.explanation.words import words
from quantdesk.evaluation.report.explanation import section

TIMES = (np.datetime64("2023-01-02T21:00", "ns") + 7 * np.arange(40) * np.timedelta64(1, "D")).astype("datetime64[ns]")
NAMES = tuple(f"column_{place}" for place in range(14))


def fall(mean: Float64, out: tuple[int, ...] = ()) -> Fall:
    p_values = np.full(len(mean), 0.6)
    p_values[list(out)] = 0.01
    return Fall(mean, np.full(len(mean), 0.01), np.full(len(mean), 0.002), np.full(len(mean), 0.03), p_values)


def made(lost: dict[int, float], out: tuple[int, ...] = ()) -> Explanation:
    """Fourteen features, a family of two (column 14), and all together (column 15)."""
    mean = np.linspace(0.01, -0.01, 16)
    for column, value in lost.items():
        mean[column] = value
    sizes = np.abs(np.random.default_rng(0).normal(size=(40, 14))) * 1e-4
    directions = np.linspace(-1.0, 1.0, 14)
    return Explanation(
        feature_names=NAMES,
        families=(Family("column_3 and 1 like it", (3, 4)),),
        times=TIMES,
        n_instruments=20,
        n_draws=3,
        n_blocks=30,
        is_across=True,
        skill=0.05,
        loss=0.47,
        shuffled_skill=fall(mean, out),
        shuffled_loss=fall(mean / 10.0),
        ablated_skill=fall(mean * 0.9),
        ablated_loss=fall(mean / 20.0),
        flow=Flow(TIMES, sizes, directions),
        attention=None,
    )


def attended() -> Attention:
    lags = np.random.default_rng(1).dirichlet(np.ones(20), 40)
    return Attention(lags, np.random.default_rng(2).dirichlet(np.ones(14), 40))


def seen(of: Explanation | None) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<title>.*?</title>", "", section(of))))


def test_where_no_feature_is_more_than_noise_the_first_sentence_says_so() -> None:
    said = words(made({}))
    assert said[0].startswith("No feature is more than noise")
    assert "within noise" in said[-1]


def test_forecasts_without_skill_are_said_to_have_none_to_explain() -> None:
    said = words(replace(made({}), skill=-0.01))
    assert "no skill that could rest on one: the rank IC of −0.010" in said[0]


def test_features_that_are_more_than_noise_are_named_the_most_telling_first() -> None:
    said = words(made({5: 0.04, 2: 0.06, 15: 0.08}, (2, 5, 15)))
    assert said[0].startswith("2 of 14 features are more than noise: column_2 (0.060) and column_5 (0.040).")
    assert said[-1] == "All features shuffled at once take away 0.080: the skill as a whole is more than noise."


def test_a_family_found_where_no_member_is_tells_that_columns_hide_one_another() -> None:
    said = words(made({14: 0.05}, (14,)))
    assert said[0].startswith("No feature by itself is more than noise")
    assert said[1].startswith("Shuffled together, column_3 and 1 like it (0.050) is more than noise.")
    assert "hide one another" in said[1]


def test_a_feature_without_which_the_forecasts_were_better_is_named_as_such() -> None:
    said = " ".join(words(made({7: -0.05}, (7,))))
    assert "would have been better by more than noise: column_7 (−0.050)" in said
    assert "No feature is more than noise" in said


def test_many_features_are_counted_rather_than_listed() -> None:
    said = words(made(dict.fromkeys(range(6), 0.05), tuple(range(6))))[0]
    assert "6 of 14 features" in said
    assert "and 2 more" in said


def test_the_skill_of_the_times_looked_at_stands_beside_that_of_the_whole_record() -> None:
    said = words(replace(made({2: 0.06, 15: 0.08}, (2, 15)), record=Record(0.04, 2.5)))
    assert "the rank IC of 0.050 at the 40 times looked at (0.040 over the whole record)." in said[0]
    assert said[-1].endswith("the skill as a whole is more than noise.")


@pytest.mark.parametrize("t", [2.0, 0.1, -4.0, float("nan")])
def test_where_the_whole_record_has_no_skill_none_is_claimed(t: float) -> None:
    said = words(replace(made({2: 0.06, 14: 0.05, 15: 0.08}, (2, 14, 15)), record=Record(0.001, t)))
    assert said[0].startswith("1 of 14 features is more than noise at the times looked at: column_2")
    assert said[0].endswith("over the whole record there is no skill, so this says nothing.")
    assert "(0.050) is more than noise at the times looked at." in said[1]
    nothing = "at the times looked at; over the whole record there is no skill, so this says nothing."
    assert said[-1] == f"All features shuffled at once take away 0.080 {nothing}"


def test_a_feature_more_than_noise_whose_family_is_not_is_no_evidence_by_itself() -> None:
    said = words(made({3: 0.06, 14: 0.004, 15: 0.08}, (3, 15)))
    assert said[1].startswith("But shuffled together with what resembles it (column_4), column_3 takes away 0.004")
    assert "no evidence for a feature by itself" in said[1]
    both = " ".join(words(made({3: 0.06, 4: 0.05, 14: 0.004}, (3, 4))))
    assert "But shuffled together with one another, column_3 and column_4 take away 0.004" in both
    assert "no evidence" not in " ".join(words(made({3: 0.06, 14: 0.07}, (3, 14))))
    assert "no evidence" not in " ".join(words(made({2: 0.06, 14: 0.004}, (2,))))


def test_too_few_times_are_called_too_few() -> None:
    of = replace(made({2: 0.05}, (2,)), times=TIMES[:4], n_blocks=4)
    assert words(of) == ("Only 4 times a horizon apart can be looked at: too few to tell any feature from noise.",)


def test_few_instruments_are_said_to_be_shuffled_over_time() -> None:
    said = words(replace(made({2: 0.05}, (2,)), is_across=False))[0]
    assert "Shuffled over time, in stretches" in said
    assert "rank correlation of forecast and outcome" in said


def test_the_picture_colours_what_left_its_band_and_only_that() -> None:
    quiet, loud = section(made({})), section(made({2: 0.06, 7: -0.06}, (2, 7)))
    assert quiet.count("fill:var(--t0);opacity") == 0
    assert loud.count("fill:var(--t0);opacity") == 1
    assert loud.count("fill:var(--t1);opacity") == 1


def test_the_picture_shows_the_largest_features_the_families_and_all_together() -> None:
    text = seen(made({2: 0.06, 7: -0.06}, (2, 7)))
    for name in ("column_2", "column_7", "column_3 and 1 like it", "all features"):
        assert name in text
    assert "2 that moved less are not shown" in text


def test_which_way_a_feature_pulls_is_said_only_where_it_is_clear() -> None:
    text = seen(made({}))
    assert "high raises it" in text
    assert "high lowers it" in text
    assert "either way" in text


def test_what_the_network_looked_at_comes_with_a_warning() -> None:
    assert "Where the network looked" not in seen(made({}))
    text = seen(replace(made({}), attention=attended()))
    assert "Jain &amp; Wallace 2019" in text
    assert "Share of attention" in text
    assert "Even weights would be 7.1" in text


@pytest.mark.parametrize(("most", "is_even"), [(1.09, True), (1.12, False)])
def test_attention_near_even_is_said_to_be_indistinguishable_from_it(most: float, is_even: bool) -> None:
    lags = np.full((40, 20), (20.0 - most) / 19.0 / 20.0)
    lags[:, 3] = most / 20.0
    text = seen(replace(made({}), attention=Attention(lags, None)))
    assert ("indistinguishable from even" in text) == is_even


def test_what_is_left_out_has_a_dot_in_the_legend_too() -> None:
    assert re.search(r"border-radius:50%[^>]*></i>left out instead of shuffled</span></p>", section(made({})))


@pytest.mark.parametrize("part", ["lags", "features"])
def test_a_network_that_weighs_only_one_of_lags_and_features_is_drawn_with_that(part: str) -> None:
    whole = attended()
    one = Attention(whole.lags if part == "lags" else None, whole.features if part == "features" else None)
    text = seen(replace(made({}), attention=one))
    assert ("Share of attention" in text) == (part == "lags")
    assert ("Even weights" in text) == (part == "features")


def test_without_an_explanation_the_section_says_why() -> None:
    assert "no feature to look at" in seen(None)


def test_nothing_unknown_is_drawn() -> None:
    of = made({})
    empty = replace(of, flow=Flow(TIMES, np.full((40, 14), np.nan), np.full(14, np.nan)))
    for text in (section(of), section(empty), section(replace(of, attention=attended()))):
        assert not re.search(r"(?i)\bnan\b|\binf\b", text)


def test_names_are_made_safe() -> None:
    of = replace(made({}), feature_names=("<b>bold</b>", *NAMES[1:]))
    assert "<b>bold" not in section(of)


def test_the_summary_is_plain_json_and_holds_every_column() -> None:
    of = replace(made({2: 0.06}, (2,)), flow=Flow(TIMES, np.full((40, 14), np.nan), np.full(14, np.nan)))
    read = json.loads(json.dumps(summary(of), allow_nan=False))
    assert list(read["lost"]) == list(of.names)
    assert read["lost"]["column_2"]["is_more_than_noise"]
    assert read["lost"]["column_2"]["direction"] is None
    assert read["families"] == {"column_3 and 1 like it": ["column_3", "column_4"]}


def test_a_receipt_answers_for_every_array_that_is_drawn() -> None:
    of = replace(made({}), attention=attended())
    assert set(arrays(of)) == {"contributions", "attention over lags", "attention over features"}
