@core
Feature: Routes and methods that do not exist
  A wrong address is said to be one, to those who may know.

  @ERR-005 @must
  Rule: ERR-005 Unknown routes and wrong methods
    Unknown route 404, known route with wrong method 405 with `Allow`, both behind the gates.

    @needs.tenants @needs.hosts
    Scenario: On a tenant's host
      Given a free tenant "a"
      Then host "{host a}" answers as tenant "a"
      And these requests at host "{host a}" find no route:
        | request                       |
        | GET /mp-no-such-route         |
        | POST /mp-no-such-route        |
        | DELETE /mp-no-such-route      |
        | GET /api/mp-no-such-route     |
        | GET /v1/mp-no-such-route      |
        | POST /v1/mp-no-such-route     |
        | GET status/mp-no-such-route   |
        | POST chat/mp-no-such-route    |
      And these requests at host "{host a}" are not allowed:
        | request       | allowed |
        | POST status   | GET     |
        | PUT status    | GET     |
        | PATCH status  | GET     |
        | DELETE status | GET     |
        | GET chat      | POST    |
        | PUT chat      | POST    |
        | PATCH chat    | POST    |
        | DELETE chat   | POST    |
        | POST health   | GET     |
        | PUT health    | GET     |
        | DELETE health | GET     |

    @needs.tenants @needs.hosts
    Scenario: An unknown tenant is told before an unknown route or a wrong method
      Given a free tenant "a"
      Then these requests at host "{host a}" find no route:
        | request               |
        | GET /mp-no-such-route |
      And these requests at host "{host a}" are not allowed:
        | request       | allowed |
        | POST status   | GET     |
      But these requests at host "{own nobody}.{app}" find no tenant:
        | request                |
        | GET /mp-no-such-route  |
        | POST /mp-no-such-route |
        | GET /v1/mp-no-such-route |
        | POST status            |
        | DELETE status          |
        | GET chat               |
        | PUT chat               |

    @needs.tenants @needs.hosts @since.1.1
    Scenario: What a path ends in does not matter
      Given a free tenant "a"
      Then these requests at host "{host a}" find no route:
        | request                     |
        | GET /mp-no-such-file.php    |
        | GET /mp/no-such-picture.png |
        | GET /mp-no-such.json        |
      But these requests at host "{own nobody}.{app}" find no tenant:
        | request                      |
        | GET /mp-no-such-file.php     |
        | POST /mp-no-such-file.php    |
        | GET /mp/no-such-picture.png  |
        | GET /mp-no-such.json         |

    @needs.tenants @needs.admin
    Scenario: For the operator
      Given a free tenant "a"
      Then the operator's requests find no route:
        | request                           |
        | GET /api/admin/mp-no-such-route   |
        | POST /api/admin/mp-no-such-route  |
        | GET /_admin/mp-no-such-route      |
        | DELETE /_admin/mp-no-such-route   |
        | GET tenant/mp-no-such-route       |
      And the operator's requests are not allowed:
        | request              | allowed            |
        | PUT tenants          | GET, POST          |
        | DELETE tenants       | GET, POST          |
        | PATCH tenants        | GET, POST          |
        | POST tenant          | GET, PATCH, DELETE |
        | PUT tenant           | GET, PATCH, DELETE |
        | POST routing         | GET                |
        | DELETE routing       | GET                |
        | POST usage           | GET                |
        | DELETE usage         | GET                |
        | GET gateway start    | POST               |
        | DELETE gateway start | POST               |
        | POST gateway         | GET                |

    @needs.tenants @needs.admin
    Scenario: Without a token nobody learns which admin routes and methods there are
      Given a free tenant "a"
      Then the operator's requests find no route:
        | request                           |
        | GET /api/admin/mp-no-such-route   |
        | GET /_admin/mp-no-such-route      |
      And the operator's requests are not allowed:
        | request              | allowed            |
        | PUT tenant           | GET, PATCH, DELETE |
      But without a token these requests are denied alike:
        | request                           |
        | GET tenants                       |
        | GET /api/admin/mp-no-such-route   |
        | POST /api/admin/mp-no-such-route  |
        | GET /_admin/mp-no-such-route      |
        | PUT tenants                       |
        | PUT tenant                        |
        | POST routing                      |
        | GET gateway start                 |

    @needs.tenants @needs.hosts @needs.variant.small-limits
    Scenario: The rate limit comes before the route
      Given the backend runs as small-limits
      And a free tenant "a"
      Then these requests at host "{host a}" find no route:
        | request               |
        | GET /mp-no-such-route |
      And these requests at host "{host a}" are not allowed:
        | request     | allowed |
        | POST status | GET     |
      But once tenant "a" has used up its quota, all of these requests at its host are limited:
        | request               |
        | GET /mp-no-such-route |
        | POST status           |

    @needs.variant.without-d1
    Scenario: Missing bindings come before the route
      Given the backend runs as without-d1
      Then these requests are refused with 503 "CONFIGURATION_ERROR":
        | request                         |
        | GET status                      |
        | GET /mp-no-such-route           |
        | POST status                     |
        | GET chat                        |
        | GET /api/admin/mp-no-such-route |
        | PUT tenants                     |

    @needs.tenants @needs.hosts @needs.variant.small-limits @since.1.1
    Scenario: The rate limit comes before the method of each route
      Given the backend runs as small-limits
      And a free tenant "a"
      And these requests at host "{host a}" are not allowed:
        | request    | allowed |
        | GET chat   | POST    |
        | PUT status | GET     |
      Then once tenant "a" has used up its quota, all of these requests at its host are limited:
        | request                |
        | GET chat               |
        | PUT chat               |
        | DELETE chat            |
        | PUT status             |
        | DELETE status          |
        | POST /mp-no-such-route |
