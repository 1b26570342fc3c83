"""FlagBit from outside, over HTTP: what the command line is made of.

    changes, assignments   pure: what differs between two documents, and what is to become of one
    places, refusals       pure: what a command is about, and why the server refused it
    http                   the API's requests and answers
    edit                   read, change, write with If-Match; after a 412 make the change anew
    terminal, report       how it is shown

None of it imports what the server is made of, and httpx is imported when it is first used.
"""
