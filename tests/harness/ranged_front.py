"""
A front for Samba that gives many values in pieces, as Active Directory does unasked: Samba does so when it is asked
for a range. Requests for `memberOf` become requests for its first range.
"""

import re

from .tcp_proxy import TcpProxy

PIECE = 1500  # values, MaxValRange of Active Directory
SEARCH_REQUEST, SEARCH_ENTRY = 0x63, 0x64
OCTETS, CONSTRUCTED = 0x04, 0x20


def decode(data):
    """BER, as (tag, bytes or list) pairs."""
    nodes = []
    while data:
        size, start = header(data)
        content = data[start:start + size]
        nodes.append((data[0], decode(content) if data[0] & CONSTRUCTED else content))
        data = data[start + size:]
    return nodes


def header(data):
    """(size of the content, where it begins), or None where more is to come."""
    if len(data) < 2 or (data[1] & 0x80 and len(data) < 2 + (data[1] & 0x7f)):
        return None
    if not data[1] & 0x80:
        return data[1], 2
    start = 2 + (data[1] & 0x7f)
    return int.from_bytes(data[2:start], "big"), start


def encode(nodes):
    return b"".join(encode_one(tag, content) for tag, content in nodes)


def encode_one(tag, content):
    data = encode(content) if isinstance(content, list) else content
    return bytes([tag, 0x84]) + len(data).to_bytes(4, "big") + data


def replace_octets(nodes, change):
    return [(tag, replace_octets(content, change) if isinstance(content, list)
             else change(content) if tag == OCTETS else content) for tag, content in nodes]


def ask_for_a_range(name):
    asked = re.fullmatch(rb"(?i)memberof(;range=(\d+)-\*)?", name)
    if not asked:
        return name
    first = int(asked[2] or 0)
    return b"memberOf;range=%d-%d" % (first, first + PIECE - 1)


def name_it_plainly(name):
    """Where one piece holds all, Active Directory names no range."""
    return b"memberOf" if name.lower() == b"memberof;range=0-*" else name


def translate(message):
    (tag, parts), = decode(message)
    operation, content = parts[1]
    if operation == SEARCH_REQUEST:
        parts[1] = operation, content[:-1] + replace_octets(content[-1:], ask_for_a_range)
    elif operation == SEARCH_ENTRY:
        parts[1] = operation, replace_octets(content, name_it_plainly)
    return encode([(tag, parts)])


class RangedFront(TcpProxy):
    def __init__(self, server):
        super().__init__(server.host, server.port)
        self.near_tls = server.authority.server_context("directory.example")
        self.far_tls = server.authority.client_context()

    def translator(self, from_client):
        held = bytearray()

        def whole_messages(data):
            held.extend(data)
            done = b""
            while (head := header(held)) and len(held) >= sum(head):
                done += translate(bytes(held[:sum(head)]))
                del held[:sum(head)]
            return done

        return whole_messages
