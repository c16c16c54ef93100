"""The receipts of the report: short ones side by side, choices of parts in the full width."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

from kept_runs import kept

from quantdesk.evaluation.report.record import receipts


def test_a_long_choice_of_parts_has_a_line_a_part_in_the_full_width(tmp_path: Path) -> None:
    evaluation = kept(tmp_path).evaluation
    tree = "LightGBM(n_trees=100, n_leaves=15, learning_rate=0.05, min_leaf=200, column_share=0.7, loss=('a', 'b<c'))"
    model = f"Conformal(model=Average(models=({tree}, Ridge(penalty=0.1))), window=250, gamma=0.01)"
    shown = receipts(replace(evaluation, settings={"model": model, "signal": "Rank(keep=0.4)", "walk-forward": "long " * 20}))
    narrow, wide = shown.split('<dl class="pairs whole">')
    assert "model" not in narrow
    assert "long long" in wide
    assert "signal" not in narrow
    wide, _, rest = wide.partition("<dt>signal</dt>")
    assert rest.startswith('<dd><code><span style="--deep:0">Rank(keep=0.4)</span></code></dd>')
    lines = re.findall(r'<span style="--deep:(\d)">(.*?)</span>', wide)
    assert [(int(deep), unescape(line)) for deep, line in lines] == [
        (0, "Conformal("),
        (1, "model=Average("),
        (2, "models=("),
        (3, f"{tree},"),
        (3, "Ridge(penalty=0.1),"),
        (2, "),"),
        (1, "),"),
        (1, "window=250, gamma=0.01,"),
        (0, ")"),
    ]
    unread = receipts(replace(evaluation, settings={"model": "Custom(<object at 0x1>)"}))
    assert '<span style="--deep:0">Custom(&lt;object at 0x1&gt;)</span>' in unread
