@core
Feature: Words that would do something elsewhere
  What a caller sends is a value: no shell, no SQL text and no file path is ever made of it.

  @SEC-004 @must
  Rule: SEC-004 Nothing reaches a shell, SQL or path unescaped
    Nothing a caller sends (path, id, header, body) reaches a shell, an SQL text or a file path unescaped.

    @needs.tenants @needs.hosts @needs.admin
    Scenario Outline: In the id of a path: <what>
      Given a free tenant "a"
      And a free tenant "b"
      When the operator uses "<id>" as tenant id on every route that takes one
      Then each of these answers is a plain refusal
      And nothing has happened to tenants "a" and "b"

      Examples:
        | what                      | id                                              |
        | always true               | {id a}'%20OR%20'1'='1                           |
        | the rest commented out    | {id a}'--                                       |
        | a second statement        | {id a}';DELETE%20FROM%20tenants;--              |
        | a union                   | x'%20UNION%20SELECT%20*%20FROM%20tenants--      |
        | a wildcard                | %25                                             |
        | a pattern                 | {id a minus one}_                               |
        | a glob                    | {id a minus one}*                               |
        | a NUL byte                | {id a}%00                                       |
        | a line break              | {id a}%0a                                       |
        | a parent folder           | ..%2f..%2f{sandbox a}                           |
        | a folder of the bucket    | {sandbox a}%2fgateway%2fstate.json              |
        | an absolute path          | %2fetc%2fpasswd                                 |
        | a shell's substitution    | $(sleep%2020)                                   |
        | a shell's backquotes      | %60sleep%2020%60                                |
        | a shell's second command  | {id a};sleep%2020                               |
        | a key of the registry     | slug:{slug a}                                   |

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1
    Scenario Outline: In a query: <query>
      Given a free tenant "a"
      And a free tenant "b"
      And each of tenants "a" and "b" has chatted
      When the operator lists the usage of tenant "a" with the query "<query>"
      Then no answer shows usage of tenant "b"
      And nothing has happened to tenants "a" and "b"

      Examples:
        | query                                                     |
        | cursor='%20OR%20'1'='1                                    |
        | cursor=x'%20UNION%20SELECT%20*%20FROM%20usage--           |
        | cursor=%00                                                |
        | limit=1;DELETE%20FROM%20usage                             |
        | limit=1)%20OR%20(1=1                                      |
        | from=0)%20OR%20(1=1                                       |
        | from=0;DELETE%20FROM%20usage;--                           |
        | to=9999999999999%20OR%201=1                               |
        | tenant_id={id b}&id={id b}&tenant={slug b}                |

    # A cursor that is none is refused before it is looked at: only one that the target gave out is taken apart.
    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @since.1.1
    Scenario Outline: In a cursor of the target's own over usage: <payload>
      Given a free tenant "a"
      And a free tenant "b"
      And each of tenants "a" and "b" has chatted
      And a free tenant "c"
      And tenant "c" has two pages of usage
      When the operator turns the pages of the usage of tenant "c" by the target's own cursor with "<payload>" put into it
      Then no answer shows usage of tenant "b"
      And nothing has happened to tenants "a" and "b"

      Examples:
        | payload                                |
        | ' OR '1'='1                            |
        | ') OR ('1'='1                          |
        | ' OR 1=1--                             |
        | ' UNION SELECT * FROM usage--          |
        | /**/OR/**/1=1                         |
        | ';DELETE FROM usage;--                 |

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @since.1.1
    Scenario Outline: A cursor of the target's own over usage with <payload> in it
      Given a free tenant "a"
      And a free tenant "b"
      And each of tenants "a" and "b" has chatted
      And a free tenant "c"
      And tenant "c" has two pages of usage
      When the operator turns the pages of the usage of tenant "c" by the target's own cursor with "<payload>" put into it
      Then each of these answers is a listing or a plain refusal
      And nothing has happened to tenants "a" and "b"

      Examples:
        | payload     |
        | '           |
        | ''          |
        | '--         |

    @needs.tenants @needs.hosts @needs.admin @since.1.1
    Scenario Outline: In a cursor of the target's own over tenants: <payload>
      Given a free tenant "a"
      And a free tenant "b"
      When the operator turns the pages of the tenants by the target's own cursor with "<payload>" put into it
      Then each of these answers is a listing or a plain refusal
      And nothing has happened to tenants "a" and "b"

      Examples:
        | payload                   |
        | '                         |
        | ' OR '1'='1               |
        | ';DELETE FROM tenants;--  |
        | ../../etc/passwd          |

    @needs.tenants @needs.hosts @needs.admin
    Scenario Outline: In a listing of tenants: <query>
      Given a free tenant "a"
      And a free tenant "b"
      When the operator lists the tenants with the query "<query>"
      Then each of these answers is a listing or a plain refusal
      And nothing has happened to tenants "a" and "b"

      Examples:
        | query                                        |
        | cursor=';DELETE%20FROM%20tenants;--          |
        | limit=1;DROP%20TABLE%20tenants               |
        | limit=-1                                     |
        | cursor=..%2f..%2fetc%2fpasswd                |
        | cursor=$(sleep%2020)                         |

    @needs.tenants @needs.hosts @needs.admin
    Scenario Outline: In the fields of a new tenant: <payload>
      Given a free tenant "a"
      And a free tenant "b"
      When the operator creates tenants with "<payload>" in each field
      Then each of these is refused, or kept as it was sent
      And nothing has happened to tenants "a" and "b"

      Examples:
        | payload                                             |
        | x'); DELETE FROM tenants; --                        |
        | x', 'enterprise', 'sk-0000000000000000', 0, 0); --  |
        | ' OR '1'='1                                         |
        | ../../{canary}                                      |
        | /tmp/{canary}                                       |
        | $(sleep 20)                                         |
        | `sleep 20`                                          |
        | x; sleep 20                                         |
        | {canary}\\u0000x                                    |
        | slug:{slug a}                                       |

    @needs.tenants @needs.hosts @needs.admin
    Scenario Outline: In the fields of a change: <payload>
      Given a free tenant "a"
      And a free tenant "b"
      When the operator changes tenant "b" with "<payload>" in each field
      Then each of these is refused, or kept as it was sent
      And nothing has happened to tenants "a" and "a"

      Examples:
        | payload                                      |
        | free', tier = 'enterprise' WHERE 1=1; --     |
        | x'; DELETE FROM tenants; --                  |
        | ../../{canary}                               |
        | $(sleep 20)                                  |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: In headers: <value>
      Given a free tenant "a"
      And a free tenant "b"
      When somebody chats at host "{host a}" with "<value>" in each of these headers:
        | header            |
        | X-Workload        |
        | X-Tenant-Override |
        | X-Request-Id      |
        | X-Tenant-Id       |
        | X-Sandbox-Id      |
        | User-Agent        |
        | Cookie            |
        | Authorization     |
      Then no answer is a success of another tenant's or a fault
      And nothing has happened to tenants "a" and "b"

      Examples:
        | value                                |
        | {slug b}' OR '1'='1                  |
        | x'; DELETE FROM tenants; --          |
        | ../../{sandbox b}/gateway/state.json |
        | $(sleep 20)                          |
        | x; sleep 20                          |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: In a chat: <text>
      Given a free tenant "a"
      When somebody chats at host "{host a}" with the words "<text>"
      Then the answer has status 200
      And the model got the words "<text>" as they are
      And nothing has happened to tenants "a" and "a"

      Examples:
        | text                                       |
        | '; DELETE FROM usage; DROP TABLE tenants;-- |
        | $(sleep 20) `sleep 20` ; sleep 20          |
        | ../../../../etc/passwd                     |
        | {{7*7}} ${7*7} %s %n                       |

    @needs.tenants @needs.hosts @needs.variant.dev-mode
    Scenario Outline: In the override of developers: <value>
      Given the backend runs as dev-mode
      And a free tenant "a"
      And a free tenant "b"
      Then host "{host b}" answers as tenant "b"
      When somebody asks host "{host a}" for the status with the header "X-Tenant-Override: <value>"
      Then the answer has status 200
      And the answer names tenant "a"
      And nothing has happened to tenants "a" and "b"

      Examples:
        | value                       |
        | {slug b}' OR '1'='1         |
        | {slug b}'--                 |
        | x'; DELETE FROM tenants; -- |
        | ../{slug b}                 |
        | $(sleep 20)                 |

    @needs.tenants @needs.hosts @needs.admin @needs.r2
    Scenario: The path of a stored object is no tenant id
      Given a free tenant "a"
      And a free tenant "b"
      When the operator starts the gateway of tenant "a"
      Then the answer has status 200
      And the bucket has objects of tenant "a"
      When the operator uses "{sandbox a}%2fgateway%2fstate.json" as tenant id on every route that takes one
      Then each of these answers is a plain refusal
      And nothing has happened to tenants "a" and "b"

    @needs.tenants @needs.admin @needs.r2 @needs.kv
    Scenario: No stray keys in the stores
      Given a free tenant "a"
      When the operator starts the gateway of tenant "a"
      Then the answer has status 200
      And the bucket has objects of tenant "a"
      When the operator creates tenants with "../../{canary}" in each field
      And the operator uses "..%2f..%2f{canary}" as tenant id on every route that takes one
      Then neither the bucket nor the registry has a key with "{canary}"
      And the bucket has objects of tenant "a"
