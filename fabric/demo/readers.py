"""Readers of the demo, each with a query to start from.

Three ask about one reservoir, of which no two read the same; the officer about encrypted fields.
"""

from dataclasses import dataclass

from fabric.demo.places import SHOWCASE


@dataclass(frozen=True, slots=True)
class Reader:
    """`clearance` is a label as written; `query` a GraphQL document without variables.

    `roles` are those beside the one that every reader of the demo has.
    """

    name: str
    role: str
    clearance: str
    query: str
    roles: tuple[str, ...] = ()


_RESERVOIR = f"""
  reservoirs(where: {{code: {{eq: "{SHOWCASE}"}}}}) {{
    nodes {{
      name label status description volume
      suppliedBy(first: 3) {{ totalCount nodes {{ name }} }}
      supplies(first: 5) {{ totalCount edges {{ node {{ name }} link {{ label weight }} }} }}
    }}
  }}"""

READERS = (
    Reader(
        "public-desk",
        "Answers callers and the press with what is published.",
        "UNCLASSIFIED",
        f"""query Published {{{_RESERVOIR}
  pumps(where: {{status: {{eq: DEGRADED}}}}, orderBy: [{{name: ASC}}], first: 5) {{
    totalCount
    nodes {{ name label notes facility {{ name }} sensors(first: 3) {{ nodes {{ name }} }} }}
  }}
}}
""",
    ),
    Reader(
        "reserve-keeper",
        "Keeps the hidden reserves ready and knows which dry basins are not dry.",
        "SECRET/CISTERN",
        f"""query Reserve {{{_RESERVOIR}
  workOrders(where: {{title: {{contains: "reserve"}}}}, orderBy: [{{filedAt: DESC}}], first: 5) {{
    totalCount
    nodes {{ number title label body facility {{ name status }} }}
  }}
  protectionProgrammes(orderBy: [{{codeword: ASC}}], first: 5) {{
    nodes {{ codeword label purpose protects(first: 3) {{ nodes {{ name protectedBy(first: 2) {{ totalCount }} }} }} }}
  }}
}}
""",
    ),
    Reader(
        "director",
        "Answers for everything and sees how the stories fit together.",
        "TOP_SECRET/CISTERN,HALYARD,LANTERN",
        f"""query Whole {{{_RESERVOIR}
  incidents(
    where: {{severity: {{eq: CRITICAL}}, attribution: {{isNull: false}}}}, orderBy: [{{startedAt: DESC}}], first: 5
  ) {{
    totalCount
    nodes {{ number title label attribution body facility {{ name }} cites(first: 3) {{ nodes {{ title label }} }} }}
  }}
  threatAssessments(orderBy: [{{likelihood: DESC}}], first: 3) {{
    nodes {{ title label likelihood actor assesses(first: 2) {{ nodes {{ name riskScore }} }} }}
  }}
}}
""",
    ),
)

OFFICER = Reader(
    "personnel-officer",
    "Sees that there is an identity number, and its end; may unlock it, with a reason and on the record.",
    "CONFIDENTIAL",
    """query Locked {
  crewMembers(orderBy: [{name: ASC}], first: 5) {
    totalCount
    nodes { id name role nationalId { locked hint purpose unlockPermission } mail { hint } }
  }
  suppliers(orderBy: [{name: ASC}], first: 3) { nodes { id name account { hint unlockPermission } } }
}
""",
    ("officer", "matcher"),
)

UNLOCK = """mutation Unlock($id: ID!) {
  unlockField(objectId: $id, field: "nationalId", reason: "a first look") { value label expiresAt }
}
"""
"""What the officer can do with the id of one of those crew members."""
