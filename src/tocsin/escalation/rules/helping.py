"""Why people escalate by hand, as codes that can be counted. Pure."""

REASONS = {
    "impact": "it hurts more than it seemed",
    "complexity": "it is harder than the people on it can solve alone",
    "departments": "other departments are needed",
    "security": "it may concern security",
    "no_answer": "nobody answers",
    "other": "another reason",
}
MAX_TEXT = 500


def reason_problems(code: str, text: str) -> dict[str, str]:
    """What is wrong with the reason of an escalation by hand, by field; ``other`` needs its text."""
    wrong = {}
    if code not in REASONS:
        wrong["reason_code"] = f"one of {', '.join(REASONS)}"
    if len(text) > MAX_TEXT:
        wrong["reason"] = f"up to {MAX_TEXT} characters"
    elif code == "other" and not text.strip():
        wrong["reason"] = "the reason in words: other needs them"
    return wrong
