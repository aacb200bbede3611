# -*- coding: utf-8 -*-
"""The Autobahn TestSuite's fuzzing server on a free port of 127.0.0.1: fuzzingserver.py SPEC

Python 2, as the suite is. Its own `wstest -m fuzzingserver` listens on every address, and on a port
that has to be chosen before anybody can know that it is free.
"""

from __future__ import print_function

import json
import sys

from autobahntestsuite.fuzzing import FuzzingServerFactory
from twisted.internet import reactor


def main(spec):
    with open(spec) as file:
        factory = FuzzingServerFactory(json.load(file), False)
    listener = reactor.listenTCP(0, factory, interface="127.0.0.1")
    # It compares this with the port in the Host field.
    factory.externalPort = listener.getHost().port
    print("listening on ws://127.0.0.1:%d" % factory.externalPort)
    sys.stdout.flush()
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1])
