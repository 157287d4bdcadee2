@core
Feature: What the operator changes, resolution sees
  Tenants come, are renamed and go; a store that fails is no answer about any of them.

  @RES-015 @must
  Rule: RES-015 Changes are visible at once
    A tenant created, renamed or deleted by the operator is visible to resolution at once on a strongly consistent target, and within the registry's stated delay otherwise.

    @needs.hosts @needs.admin
    Scenario: A tenant is created
      Then these hosts are no tenant:
        | host            |
        | {own a}.{app}   |
        | shop.{domain a} |
      When the operator creates the tenant "a" with the custom hostname "shop.{domain a}"
      Then these hosts become tenant "a":
        | host            |
        | {own a}.{app}   |
        | shop.{domain a} |

    @needs.tenants @needs.hosts @needs.admin
    Scenario: A tenant is renamed, and back
      Given a free tenant "a"
      Then host "{host a}" answers as tenant "a"
      And these hosts are no tenant:
        | host               |
        | {own second}.{app} |
      When the operator renames tenant "a" to "{own second}"
      Then these hosts become tenant "a":
        | host               |
        | {own second}.{app} |
      And these hosts become no tenant:
        | host          |
        | {own a}.{app} |
      When the operator renames tenant "a" to "{own a}"
      Then these hosts become tenant "a":
        | host          |
        | {own a}.{app} |
      And these hosts become no tenant:
        | host               |
        | {own second}.{app} |

    @needs.tenants @needs.hosts @needs.admin
    Scenario: A former slug goes to another tenant
      Given a free tenant "a"
      And a free tenant "b"
      Then host "{own a}.{app}" answers as tenant "a"
      When the operator renames tenant "a" to "{own second}"
      And the operator renames tenant "b" to "{own a}"
      Then these hosts become tenant "b":
        | host          |
        | {own a}.{app} |
      And these hosts become tenant "a":
        | host               |
        | {own second}.{app} |
      And these hosts become no tenant:
        | host          |
        | {own b}.{app} |

    @needs.tenants @needs.hosts @needs.admin
    Scenario: A tenant's hostnames are changed
      Given a free tenant "a" with these custom hostnames:
        | first.{domain a} |
        | stays.{domain a} |
      Then host "first.{domain a}" answers as tenant "a"
      And these hosts are no tenant:
        | host            |
        | next.{domain a} |
      When the operator gives tenant "a" these custom hostnames instead:
        | next.{domain a}  |
        | stays.{domain a} |
      Then these hosts become tenant "a":
        | host             |
        | next.{domain a}  |
        | stays.{domain a} |
        | {host a}         |
      And these hosts become no tenant:
        | host             |
        | first.{domain a} |

    @since.1.1 @needs.tenants @needs.hosts @needs.admin
    Scenario: A tenant is renamed and given other hostnames at once
      Given a free tenant "a" with these custom hostnames:
        | first.{domain a} |
        | stays.{domain a} |
      Then host "{host a}" answers as tenant "a"
      And host "first.{domain a}" answers as tenant "a"
      When the operator renames tenant "a" to "{own second}" and gives it these custom hostnames instead:
        | next.{domain a}  |
        | stays.{domain a} |
      Then these hosts become tenant "a":
        | host               |
        | {own second}.{app} |
        | next.{domain a}    |
        | stays.{domain a}   |
      And these hosts become no tenant:
        | host             |
        | {own a}.{app}    |
        | first.{domain a} |

    @needs.tenants @needs.hosts @needs.admin
    Scenario: A tenant is deleted
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And a free tenant "b"
      Then these hosts are tenant "a":
        | host            |
        | {host a}        |
        | shop.{domain a} |
      When the operator deletes tenant "a"
      Then these hosts become no tenant:
        | host            |
        | {own a}.{app}   |
        | shop.{domain a} |
      And a chat at host "{own a}.{app}" is refused as an unknown tenant's
      And host "{host b}" answers as tenant "b"

    @since.1.1 @needs.tenants @needs.hosts @needs.admin
    Scenario Outline: A new <what> leaves every name that it does not change
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
        | {domain second} |
      And these hosts are tenant "a":
        | host            |
        | {host a}        |
        | shop.{domain a} |
        | {domain second} |
      When the operator changes nothing of tenant "a" but its <what>
      Then these hosts become tenant "a":
        | host            |
        | {host a}        |
        | shop.{domain a} |
        | {domain second} |

      Examples:
        | what     |
        | slug     |
        | tier     |
        | platform |

    @since.1.1 @needs.hosts @needs.admin
    Scenario Outline: Of tenants created at once with one <name>, one has it
      When the operator creates 8 tenants at once with one <name>
      Then one tenant of them is told to be created, and the <name> is that one's

      Examples:
        | name     |
        | slug     |
        | hostname |

    @since.1.1 @needs.tenants @needs.hosts @needs.admin
    Scenario: The names of a deleted tenant are free for the next one
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
        | {domain second} |
      And these hosts are tenant "a":
        | host            |
        | {host a}        |
        | shop.{domain a} |
        | {domain second} |
      When the operator deletes tenant "a"
      And the operator creates tenant "next" with all names of tenant "a"
      Then tenant "next" is given all names of tenant "a"
      And these hosts become tenant "next":
        | host            |
        | {host next}     |
        | shop.{domain a} |
        | {domain second} |

  @RES-017 @must
  Rule: RES-017 A failing store is an outage
    A failing tenant store is an outage (503 `STORE_UNAVAILABLE`): never an unknown tenant, never another or a default tenant, and not remembered as absence.

    @needs.tenants @needs.hosts @needs.store-faults
    Scenario Outline: D1 is <state>
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And a free tenant "b"
      And D1 is <state> for tenant "a"
      When somebody asks host "{host a}" for the status
      Then it is told as an outage of D1 for tenant "a"
      When somebody asks host "shop.{domain a}" for the status
      Then it is told as an outage of D1 for tenant "a"
      And host "{host b}" answers as tenant "b"
      When D1 is back for tenant "a"
      Then host "{host a}" answers as tenant "a"
      And host "shop.{domain a}" answers as tenant "a"

      Examples:
        | state       |
        | unavailable |
        | busy        |

    @needs.tenants @needs.hosts @needs.store-faults
    Scenario Outline: The registry is <state>
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And a free tenant "b"
      And the registry is <state> for "{slug a}"
      And the registry is <state> for "shop.{domain a}"
      When somebody asks host "{host a}" for the status
      Then it is told as an outage of the registry for "{slug a}"
      When somebody asks host "shop.{domain a}" for the status
      Then it is told as an outage of the registry for "shop.{domain a}"
      And host "{host b}" answers as tenant "b"
      When the registry is back for "{slug a}"
      And the registry is back for "shop.{domain a}"
      Then host "{host a}" answers as tenant "a"
      And host "shop.{domain a}" answers as tenant "a"

      Examples:
        | state       |
        | unavailable |
        | busy        |

    @needs.tenants @needs.hosts @needs.store-faults
    Scenario: While the registry fails, even nobody's host is not called unknown
      Given a free tenant "b"
      And the registry is unavailable for "{own nobody}"
      And the registry is unavailable for "{domain nobody}"
      When somebody asks host "{own nobody}.{app}" for the status
      Then it is told as an outage of the registry for "{own nobody}"
      When somebody asks host "{domain nobody}" for the status
      Then it is told as an outage of the registry for "{domain nobody}"
      When the registry is back for "{own nobody}"
      And the registry is back for "{domain nobody}"
      Then these hosts are no tenant:
        | host               |
        | {own nobody}.{app} |
        | {domain nobody}    |
      And host "{host b}" answers as tenant "b"

    @needs.tenants @needs.hosts @needs.store-faults @needs.ai-gateway
    Scenario: No model is called while the store fails
      Given a free tenant "a"
      And D1 is unavailable for tenant "a"
      When somebody chats at host "{host a}"
      Then it is told as an outage of D1 for tenant "a"
      And no model was called
      When D1 is back for tenant "a"
      And somebody chats at host "{host a}"
      Then the answer has status 200

    @needs.tenants @needs.admin @needs.store-faults
    Scenario: The operator is told of the outage, too
      Given a free tenant "a"
      And D1 is unavailable for tenant "a"
      When the operator looks at tenant "a"
      Then it is told as an outage of D1 for tenant "a"
      When D1 is back for tenant "a"
      And the operator looks at tenant "a"
      Then the answer has status 200

    @since.1.1 @needs.tenants @needs.hosts @needs.store-faults
    Scenario Outline: <store> is <state> for a tenant that was served a moment ago
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And these hosts are tenant "a":
        | host            |
        | {host a}        |
        | shop.{domain a} |
      And <store> is <state> for <whom>
      When somebody asks host "<host>" for the status
      Then it is told as an outage of <store> for <whom>
      When <store> is back for <whom>
      Then host "<host>" answers as tenant "a"

      Examples:
        | store        | state       | whom              | host            |
        | D1           | unavailable | tenant "a"        | {host a}        |
        | D1           | busy        | tenant "a"        | {host a}        |
        | D1           | unavailable | tenant "a"        | shop.{domain a} |
        | D1           | busy        | tenant "a"        | shop.{domain a} |
        | the registry | unavailable | "{slug a}"        | {host a}        |
        | the registry | busy        | "{slug a}"        | {host a}        |
        | the registry | unavailable | "shop.{domain a}" | shop.{domain a} |
        | the registry | busy        | "shop.{domain a}" | shop.{domain a} |

    @since.1.1 @needs.tenants @needs.hosts @needs.store-faults @needs.ai-gateway
    Scenario: No model is called for a tenant whose record was read a moment ago
      Given a free tenant "a"
      And host "{host a}" answers as tenant "a"
      And D1 is unavailable for tenant "a"
      When somebody chats at host "{host a}"
      Then it is told as an outage of D1 for tenant "a"
      And no model was called
      When D1 is back for tenant "a"
      And somebody chats at host "{host a}"
      Then the answer has status 200

    @since.1.1 @needs.tenants @needs.admin @needs.store-faults
    Scenario: The operator is not shown the record that was read a moment ago
      Given a free tenant "a"
      And the operator looks at tenant "a"
      And D1 is unavailable for tenant "a"
      When the operator looks at tenant "a"
      Then it is told as an outage of D1 for tenant "a"

    @since.1.1 @needs.tenants @needs.hosts @needs.store-faults
    Scenario Outline: However often it is asked, an outage of <store> stays one
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And <store> is <state> for <whom>
      When somebody asks host "<host>" for the status 6 times
      Then each time it is told as an outage of <store> for <whom>
      When <store> is back for <whom>
      Then these hosts soon become tenant "a":
        | host   |
        | <host> |

      Examples:
        | store        | state       | whom              | host            |
        | D1           | unavailable | tenant "a"        | {host a}        |
        | D1           | busy        | tenant "a"        | shop.{domain a} |
        | the registry | unavailable | "shop.{domain a}" | shop.{domain a} |
        | the registry | unavailable | "{slug a}"        | {host a}        |
