#!/usr/bin/env python3
"""Writes RSA keys that no maker of keys would make: close primes, and a small prime factor. Standard library only."""

import base64
import random
import sys


def is_prime(number):
    if number % 2 == 0:
        return number == 2
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(40):
        power = pow(random.randrange(2, number - 1), odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def prime_from(start):
    start |= 1
    while start % 65537 == 1 or not is_prime(start):
        start += 2
    return start


def der(tag, content):
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(digits)]) + digits + content


def integer(number):
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def pkcs1(p, q, e=65537):
    d = pow(e, -1, (p - 1) * (q - 1))
    fields = [0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)]
    return der(0x30, b"".join(integer(field) for field in fields))


def pem(label, content):
    text = base64.b64encode(content).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label, "\n".join(lines), label)


def top(bits):
    """A random number of exactly so many bits whose two highest bits are set."""
    return random.getrandbits(bits) | (3 << (bits - 2))


random.seed(2026)
kinds = {}
near = prime_from(top(1024))
kinds["rsa-close-primes"] = (prime_from(near + 2 + random.getrandbits(60)), near)
small = 1009
while True:
    large = prime_from(top(2048 - 10))
    if (large * small).bit_length() == 2048:
        break
kinds["rsa-small-factor"] = (large, small)
for name, (p, q) in kinds.items():
    with open("%s/%s.rsa" % (sys.argv[1], name), "w", encoding="ascii") as out:
        out.write(pem("RSA PRIVATE KEY", pkcs1(p, q)))
