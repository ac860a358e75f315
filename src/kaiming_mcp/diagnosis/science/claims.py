"""A claimed score held against noise, baseline, the larger class, and its own standard error."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.principles import RESIDUAL, SCIENCE
from kaiming_mcp.diagnosis.science.cross_checks import per_atom
from kaiming_mcp.diagnosis.science.errors import SURE, combined, comparable, ends, metric_errors, ranged
from kaiming_mcp.diagnosis.science.floors import check_floors, scaled_to, shown
from kaiming_mcp.diagnosis.science.metrics import ERRORS
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.diagnosis.science.published import check_reported, check_share
from kaiming_mcp.diagnosis.science.references import check_references
from kaiming_mcp.diagnosis.science.scores import Score
from kaiming_mcp.diagnosis.science.statement import Statement
from kaiming_mcp.diagnosis.science.statistics import Size, share_error
from kaiming_mcp.diagnosis.science.tables import Table
from kaiming_mcp.scaffold import Severity, number

MOST_CLAIMS = 4
_BEST_OF = re.compile(r"best of (?:the |our |about )?(\d{1,6})\b")
YEAR = 31_556_952.0


def check_claims(s: Statement, table: Table | None, n: Size | None, notes: Notes) -> None:
    """Noise floor, baseline, larger class, and the error of the claim itself."""
    claims = _claims(s)
    if claims:
        _own_error(claims[0], s, n, notes)
    for claimed in claims:
        _majority(claimed, s, n, notes)
        _baseline(claimed, s, n, notes)
        check_share(claimed, s, notes)
    check_reported(s, claims, n, notes)
    check_references(s, claims, notes)
    # Half of a pair "in total and per atom" has no unit that says which it is.
    check_floors(s, [c for c in claims if c not in (per_atom(s) or ())], table, notes)
    _sharpe(s, notes)
    if table and table.errors:
        _table_errors(table, notes)


def _claims(s: Statement) -> list[Score]:
    """The model's own scores, one per metric and horizon: the grouped one where there is one."""
    best: dict[tuple[str, str], Score] = {}
    totals = per_atom(s)
    for role in ("grouped", "claimed", "random"):
        for score in s.scores:
            # An error in total grows with the system: the one per atom stands for it.
            if score.role == role and (totals is None or score is not totals[0]):
                best.setdefault((score.metric, score.lead), score)
    return list(best.values())[:MOST_CLAIMS]


def _own_error(claimed: Score, s: Statement, n: Size | None, notes: Notes) -> None:
    errors = metric_errors(claimed, s, n)
    if errors is None or claimed.error or n is None:
        return
    apart = (SURE * math.sqrt(2) * errors[0], SURE * math.sqrt(2) * errors[1])
    many = f"{n.known:,.0f}" if n.known else f"{n.most:,.0f} to {n.fewest:,.0f}"
    fact = notes.facts.add(
        f"{shown(claimed)} ± {ranged(errors)}, if {many} samples are independent; two such models must differ by {ranged(apart)} (unpaired)",
        "computed",
        errors[1],
        claimed.metric,
        "Hanley and McNeil" if claimed.metric == "auc" else "standard error of the metric",
    )
    notes.key(35 if s.sample.groups or s.sample.test else 12, fact)


def _majority(claimed: Score, s: Statement, n: Size | None, notes: Notes) -> None:
    """Accuracy against the larger class, or against 1/k where only the number of classes is known."""
    p, k = s.prevalence, s.classes
    if claimed.metric not in {"accuracy", "balanced accuracy"} or (p is None and k is None):
        return
    largest = max(p, 1 - p) if p is not None else 1 / (k or 2)
    what = "always the larger class" if p is not None else f"chance among {k} classes of equal size"
    errors = _at_chance(largest, n)
    above = claimed.value - largest
    text = f"accuracy {claimed.value:.3g} against {largest:.3g} for {what}: {above:+.3g}"
    if errors:
        text += f", {ranged((above / errors[1], above / errors[0]))} standard errors"
    fact = notes.key(64, notes.facts.add(text, "computed", above, "accuracy", "binomial, if samples are independent"))
    if above > SURE * (errors[0] if errors else 0.0):
        return
    score = f"AUPRC against {p:.3g}" if p is not None else "balanced accuracy"
    notes.keys.append((85, fact))
    notes.drafts.append(
        Draft(
            "high",
            SCIENCE,
            "The accuracy is that of a constant answer",
            (fact,),
            f"score {score} and sensitivity at a fixed false-alarm rate",
            f"{score.split(' against', maxsplit=1)[0]} above its chance by two standard errors over the independent units",
            weight=8,
        )
    )
    notes.verdict(78, f"No skill is shown: accuracy {claimed.value:.3g} against {largest:.3g} for {what}.", fact)


def _at_chance(chance: float, n: Size | None) -> tuple[float, float] | None:
    """Standard error of an accuracy at chance, (least, most)."""
    return (share_error(chance, n.bounds[0]), share_error(chance, n.bounds[1])) if n and n.fewest >= 3 else None


def _baseline(claimed: Score, s: Statement, n: Size | None, notes: Notes) -> None:
    others = [x for x in s.scores if x.role == "baseline" and comparable(x, claimed)]
    if not others:
        return
    lower = claimed.metric in ERRORS
    numeric = lower or claimed.metric in {"r2", "nse", "correlation"}
    scaled = [(x, scaled_to(x, claimed)) for x in others]
    known = [(x, v) for x, v in scaled if v is not None]
    if not known:
        return
    best, value = min(known, key=lambda pair: pair[1] if lower else -pair[1])
    gain = value - claimed.value if lower else claimed.value - value
    errors = combined(metric_errors(claimed, s, n), metric_errors(replace(best, value=value, unit=claimed.unit), s, n))
    lead = f" at {claimed.lead}{'s' if claimed.lead.split()[0] != '1' else ''}" if claimed.lead else ""
    text = f"{shown(claimed)} against {shown(best)} of the baseline{lead}: gain {number(gain)}"
    if errors:
        text += f" ± {ranged(errors)}"
        text += f" = {ranged((gain / errors[1], gain / errors[0]))} standard errors" if gain > 0 else ""
        text += f"; unpaired{ends(errors, n)}"
    if lower and value > 0 and gain > 0:
        text += f"; skill 1 - (ours/baseline)² = {1 - (claimed.value / value) ** 2:.3g}"
    severity: Severity
    fact = notes.key(70, notes.facts.add(text, "computed", gain, claimed.metric, "difference; errors in quadrature"))
    possible = gain > 0 and errors is not None and gain > SURE * errors[0]
    beaten = possible and errors is not None and gain > SURE * errors[1]
    if gain <= 0:
        notes.verdict(
            65, f"No result yet{lead}: the baseline is not beaten ({shown(claimed)} against {shown(best)}).", fact
        )
        title, severity = f"The baseline is not beaten{lead}", "high"
        remedy = "work on data and formulation, not on the network; "
        remedy += (
            "learn the residual x - B(y) of this baseline"
            if numeric
            else "take the paired difference on the same test items"
        )
    elif errors is not None and not possible:
        small = f"the lead over the baseline, {number(gain)}, is below {SURE:g} standard errors"
        notes.verdict(65, f"No result yet{lead}: {small} ({shown(best)}).", fact)
        title, severity = f"The baseline is not shown to be beaten{lead}", "high"
        remedy = "take the paired difference on the same test items first; it is often the smaller error"
        remedy += ". If it holds no lead, learn the residual x - B(y)" if numeric else ""
    elif possible and not beaten:
        title, severity = f"The lead over the baseline depends on how many samples are independent{lead}", "medium"
        remedy = (
            "average the paired difference inside each group, and take its error over groups; only then is it a lead"
        )
    elif not beaten:
        title, severity = "The lead over the baseline has no error bar", "medium"
        remedy = (
            "give the number of independent test units, and the paired difference over them; only then is it a lead"
        )
    else:
        title, severity = "The baseline is beaten", "note"
        remedy = "use it as the reference and learn what is left of it (x - B(y))"
    test = (
        "paired differences of the two errors on the same test items, averaged per group, against their standard error"
    )
    principle = RESIDUAL if beaten else SCIENCE
    notes.drafts.append(Draft(severity, principle, title, (fact,), remedy, test, weight=1 if beaten else 7))


def _sharpe(s: Statement, notes: Notes) -> None:
    """A yearly Sharpe ratio over the span that the text gives (Lo 2002, independent returns)."""
    score = next((x for x in s.scores if x.metric == "sharpe" and x.role != "baseline"), None)
    if score is None or s.span is None or s.span < YEAR:
        return
    years = s.span / YEAR
    error = math.sqrt((1 + score.value**2 / 2) / years)
    named = _BEST_OF.search(s.text)
    tried = min(max(int(named[1]), 2), 1_000_000) if named else 100
    text = f"Sharpe ratio {score.value:.3g} ± {error:.2g} over {years:.3g} years; the best of {tried} worthless strategies reaches about "
    text += number(math.sqrt(2 * math.log(tried) / years))
    notes.key(66, notes.facts.add(text, "computed", error, "per sqrt(year)", "sqrt((1 + S²/2)/T); sqrt(2 ln k / T)"))


def _table_errors(table: Table, notes: Notes) -> None:
    e = table.errors
    if e is None:
        return
    fact = notes.facts.add(
        f"RMSE {number(e.rmse)} (R² {e.explained:.3g}) against {number(e.baseline_rmse)} for {e.baseline}: the gain in squared error is "
        f"{e.gain_error:.3g} standard errors over {e.units} values of {e.by}",
        "measured",
        e.gain_error,
        "standard errors",
        "paired differences, averaged inside each group first",
    )
    notes.key(88, fact)
    if e.gain_error <= SURE:
        notes.verdict(
            68,
            f"No result yet: the gain over {e.baseline} is {e.gain_error:.2g} standard errors over {e.units} values of {e.by}.",
            fact,
        )
    notes.drafts.append(
        Draft(
            "note" if e.gain_error > SURE else "high",
            SCIENCE,
            "The baseline is beaten" if e.gain_error > SURE else "The baseline is not beaten",
            (fact,),
            f"learn the residual on {e.baseline}; report the gain with its error over {e.by}",
            f"the same table on new values of {e.by}; the gain must stay above {SURE:g} standard errors",
            weight=7,
        )
    )
