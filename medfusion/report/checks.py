"""What the data checks found: failures and warnings first, what passed folded."""

from __future__ import annotations

from medfusion.report.blocks import Block, Finding, Findings, Missing, Section
from medfusion.report.evidence import CheckFacts, Evidence

_RANK = {"FAIL": 0, "WARN": 1, "PASS": 2}
_TOLD = ("warning", "error", "fault")


def section(evidence: Evidence) -> Section:
    """List the data checks and the warnings of the run."""
    checks = evidence.checks or tuple(
        CheckFacts(name=check["name"], outcome=check["outcome"], message=check["message"])
        for check in evidence.history.checks
        if _complete(check)
    )
    said = [
        Finding("WARN" if message["level"] == "warning" else "FAIL", "Run", str(text))
        for message in evidence.history.messages
        if message.get("level") in _TOLD and (text := message.get("text"))
    ]
    # Row ids are left out on purpose: a report is passed on, and ids may name patients.
    found = [Finding(check.outcome, check.name, check.message) for check in checks]
    found.sort(key=_rank)
    blocks: list[Block] = []
    if found or said:
        unsettled = [finding for finding in found if finding.outcome != "PASS"]
        # Training says every warning of a check in the log too.
        repeated = tuple(finding.message for finding in unsettled)
        said = [one for one in dict.fromkeys(said) if not one.message.endswith(repeated)]
        blocks.append(
            Findings(
                open=sorted([*unsettled, *said], key=_rank),
                folded=[finding for finding in found if finding.outcome == "PASS"],
            )
        )
    if not found:
        blocks.append(Missing("The data checks did not run yet."))
    return Section("checks", "Data checks", blocks)


def _complete(check: object) -> bool:
    if not isinstance(check, dict) or check.get("outcome") not in _RANK:
        return False
    return isinstance(check.get("name"), str) and isinstance(check.get("message"), str)


def _rank(finding: Finding) -> int:
    return _RANK[finding.outcome]
