"""What becomes of incoming mail, in words. Pure."""

OUTCOMES = {
    "acted": "did what it says",
    "noted": "wrote a note",
    "answered": "a question, answered",
    "reached": "shows that the contact method works",
    "nothing": "nothing was written, or nothing could be done",
    "automatic": "written by a machine, nothing done",
    "expired": "came too late, nothing done",
    "refused": "the person may not, or is not there any more",
    "failed": "a mail came back",
    "dead": "a mail came back: the address is at fault",
    "delayed": "a mail is late, still being tried",
    "delivered": "a mail has arrived",
    "unclear": "not understood",
    "fault": "could not be dealt with",
}
