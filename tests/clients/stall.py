#!/usr/bin/python3
"""Play clients against a server and judge how each one ended.

    stall.py --port 4433 --deadline 1 silent hello=3 good-idle

All clients run at the same time (--in-turn: one after the other). One line for each: kind, how it ended, after
how many seconds, bytes received, and "ok" or what was wrong. Stalling clients must be closed by the server, never
before the deadline and at most --late seconds after it; good and plain ones must be answered to the end.
Exit status 1 when any client ended otherwise.
"""

import argparse
import sys
import threading

import stalls


def complaint(outcome, arguments):
    """What was wrong with this ending; None when it is as it must be."""
    if outcome.kind not in stalls.STALLING:
        return None if outcome.end == "answered" else f"must be answered {outcome.detail}"
    if arguments.expect_open:
        return None if outcome.end == "open" else f"must be left alone {outcome.detail}"
    if outcome.end != "closed":
        return f"must be closed {outcome.detail}"
    if outcome.seconds < arguments.deadline:
        return "closed too early"
    if outcome.seconds > arguments.deadline + arguments.late:
        return "closed too late"
    if outcome.kind in stalls.UNANSWERED and outcome.received and not arguments.answers:
        return "received bytes that the server never wrote"
    return None


def clients(words):
    """["silent", "hello=3"] -> the list of kinds, each as often as asked."""
    kinds = []
    for word in words:
        kind, _, count = word.partition("=")
        if kind not in stalls.STALLING | stalls.GOOD | stalls.PLAIN:
            sys.exit(f"stall.py: no such client: {kind}")
        kinds += [kind] * int(count or 1)
    return kinds


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--deadline", type=float, default=1.0, help="the library's deadline in seconds")
    parser.add_argument("--late", type=float, default=1.0,
                        help="how late a close may be, on a machine that takes its time to start processes")
    parser.add_argument("--limit", type=float, help="when a stalled client gives up (3 deadlines)")
    parser.add_argument("--starttls", action="store_true", help="the test hosts' STARTTLS line first")
    parser.add_argument("--answers", action="store_true",
                        help="this server may answer a client that has said nothing")
    parser.add_argument("--expect-open", action="store_true",
                        help="stalling clients must be left alone until the limit")
    parser.add_argument("--in-turn", action="store_true", help="one client after the other")
    parser.add_argument("kinds", nargs="+", metavar="KIND[=COUNT]")
    arguments = parser.parse_args()
    plan = stalls.Plan(deadline=arguments.deadline, limit=arguments.limit or 3 * arguments.deadline,
                       prologue=stalls.line_starttls if arguments.starttls else None)
    address = (arguments.host, arguments.port)
    outcomes = []

    def one(kind):
        outcomes.append(stalls.play(kind, address, plan))

    threads = [threading.Thread(target=one, args=(kind,)) for kind in clients(arguments.kinds)]
    for thread in threads:
        thread.start()
        if arguments.in_turn:
            thread.join()
    for thread in threads:
        thread.join()

    bad = 0
    for outcome in outcomes:
        wrong = complaint(outcome, arguments)
        bad += wrong is not None
        print(f"{outcome.kind} {outcome.end} {outcome.seconds:.3f} s {outcome.received} bytes:",
              wrong or "ok", flush=True)
    if len(outcomes) != len(threads):
        sys.exit("stall.py: a client died without an outcome")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
