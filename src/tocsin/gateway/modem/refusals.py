"""What a modem's error numbers mean for whoever wants an SMS sent. Pure.

3GPP TS 27.005, 3.2.5 (+CMS ERROR: 0-127 are causes of TS 24.011, annex E-2; 128-255 those of TS 23.040, 9.2.3.22; from
300 on the modem's own) and 3GPP TS 27.007, 9.2 (+CME ERROR).
"""

from tocsin.gateway.device import Problem

# the number itself is bad, whoever is asked
NUMBER = {
    1: "the number is not assigned",
    195: "the network does not know the number",
    196: "the number is barred",
    304: "the modem does not understand the number or the text",
}
# the SIM or the subscription: nothing is sent until somebody mends it
ACCOUNT = {
    8: "the operator bars the SIM",
    10: "the SIM may not send",
    28: "the network does not know the SIM",
    29: "the subscription has no SMS",
    50: "the subscription has no SMS",
    69: "the network has no SMS",
    193: "the service centre does not know the SIM",
    303: "the modem has no SMS",
    310: "there is no SIM",
    311: "the SIM asks for its PIN",
    312: "the SIM is locked to another phone",
    313: "the SIM is broken",
    315: "the SIM is a wrong one",
    316: "the SIM asks for its PUK",
    317: "the SIM asks for its PIN2",
    318: "the SIM asks for its PUK2",
    330: "the SIM has no number of a service centre",
}
LATER = {
    27: "the phone cannot be reached",
    30: "the network does not know the subscriber",
    38: "the network is out of order",
    41: "a passing fault of the network",
    42: "the network is overloaded",
    47: "the network has no room",
    192: "the service centre is busy",
    194: "the service centre has a fault",
    314: "the SIM is busy",
    322: "the SIM has no room",
    331: "there is no network",
    332: "the network does not answer",
}
CME_ACCOUNT = {
    5: "the SIM is locked to another phone",
    10: "there is no SIM",
    11: "the SIM asks for its PIN",
    12: "the SIM asks for its PUK",
    13: "the SIM is broken",
    15: "the SIM is a wrong one",
    16: "the PIN is not right",
    17: "the SIM asks for its PIN2",
    18: "the SIM asks for its PUK2",
}
REPORTS = {  # TP-Status, TS 23.040, 9.2.3.15, of what failed for good
    0x40: "a fault on the way to the phone",
    0x41: "the phone's network does not match",
    0x42: "the network refused it",
    0x43: "the number cannot be got",
    0x45: "the number does not exist",
    0x46: "it came too late",
    0x60: "the network is overloaded",
    0x61: "the phone was busy",
    0x62: "the phone did not answer",
    0x63: "the phone's network refused it",
}


def problem_of(family: str, code: int) -> Problem:
    """What ``+CMS ERROR: code`` or ``+CME ERROR: code`` means; a bare ERROR has family ``""``."""
    if family == "CMS":
        if code in NUMBER:
            return Problem("number", f"{NUMBER[code]} (CMS {code})")
        if code in ACCOUNT:
            return Problem("account", f"{ACCOUNT[code]} (CMS {code})")
        return Problem("later", f"{LATER.get(code, 'the modem could not send it')} (CMS {code})")
    if family == "CME" and code in CME_ACCOUNT:
        return Problem("account", f"{CME_ACCOUNT[code]} (CME {code})")
    return Problem("later", f"the modem could not send it ({family} {code})" if family else "the modem refused it")


def report_of(status: int) -> str:
    """Why a message did not arrive."""
    return f"undelivered: {REPORTS.get(status, 'the network gave up')} (status {status})"
