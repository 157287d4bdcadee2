@core
Feature: A token must be meant for this backend, now
  Each token here is rightly signed by the team domain; what it says is wrong.
  It is refused on every admin route, in the header as in the cookie, and a good token is accepted before and after.

  @ACC-003 @must
  Rule: ACC-003 Expired
    Refused: an expired token.

    @needs.access @needs.admin @needs.tenants
    Scenario: An expired token opens nothing
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And an "expired" token is denied every admin route of tenant "a"
      And a "good" token opens the record of tenant "a"

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: An expired token opens nothing, however lately and whosever it is: <kind>
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      And a "good-service-token" token opens the record of tenant "a"
      Then a "<kind>" token is denied every admin route of tenant "a"
      And a "<kind>" token and a user's like it open nothing of tenant "a" by any other method
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                             |
        | expired-four-minutes-ago         |
        | service expired                  |
        | service expired-four-minutes-ago |

    @needs.access @needs.admin @needs.tenants @waits @since.1.1
    Scenario: A token that has opened expires like any other
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      Then a token that opens the record of tenant "a" is denied as soon as one that was never shown and expires with it
      And a "good" token opens the record of tenant "a"

  @ACC-004 @must
  Rule: ACC-004 Not yet valid
    Refused: a token not yet valid (`nbf` ahead).

    @needs.access @needs.admin @needs.tenants
    Scenario: A token of tomorrow opens nothing today
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a "not-yet-valid" token is denied every admin route of tenant "a"
      And a "good" token opens the record of tenant "a"

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: A token opens nothing before its time, however soon and whosever it is: <kind>
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      And a "good-service-token" token opens the record of tenant "a"
      Then a "<kind>" token is denied every admin route of tenant "a"
      And a "<kind>" token and a user's like it open nothing of tenant "a" by any other method
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                          |
        | valid-in-four-minutes         |
        | service not-yet-valid         |
        | service valid-in-four-minutes |
        | of-the-next-hour              |

  @ACC-005 @must
  Rule: ACC-005 Wrong audience
    Refused: a wrong `aud`.

    @needs.access @needs.admin @needs.tenants
    Scenario Outline: A token for another application opens nothing: <kind>
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a "<kind>" token is denied every admin route of tenant "a"
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                     |
        | wrong-audience           |
        | audience-containing-ours |
        | audience-part-of-ours    |
        | empty-audience           |
        | no-audience              |

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: A service's token for another application opens nothing: <kind>
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      And a "good-service-token" token opens the record of tenant "a"
      Then a "<kind>" token is denied every admin route of tenant "a"
      And a "<kind>" token and a user's like it open nothing of tenant "a" by any other method
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                             |
        | service wrong-audience           |
        | service audience-containing-ours |
        | service audience-part-of-ours    |
        | service empty-audience           |
        | service no-audience              |

  @ACC-006 @must
  Rule: ACC-006 Wrong issuer
    Refused: a wrong `iss`.

    @needs.access @needs.admin @needs.tenants
    Scenario Outline: A token that names another team opens nothing: <kind>
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a "<kind>" token is denied every admin route of tenant "a"
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                       |
        | wrong-issuer               |
        | issuer-beginning-with-ours |
        | no-issuer                  |

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: A service's token that names another team opens nothing: <kind>
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      And a "good-service-token" token opens the record of tenant "a"
      Then a "<kind>" token is denied every admin route of tenant "a"
      And a "<kind>" token and a user's like it open nothing of tenant "a" by any other method
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                               |
        | service wrong-issuer               |
        | service issuer-beginning-with-ours |
        | service no-issuer                  |

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: An issuer that is ours in part is another one: <kind>
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a "<kind>" token is denied every admin route of tenant "a"
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                     |
        | issuer-with-a-path       |
        | issuer-of-another-scheme |
        | issuer-of-another-port   |
        | issuer-ending-with-ours  |

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: An issuer that Access has made for another team is another one: <kind>
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a "<kind>" token is denied every admin route of tenant "a"
      And a "<kind>" token and a user's like it open nothing of tenant "a" by any other method
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                                  |
        | issuer-of-another-access-team         |
        | service issuer-of-another-access-team |

  @ACC-012 @must
  Rule: ACC-012 Whatever else is no app token of ours
    Also refused: no `exp`; `type: org` token; a key from another team domain; a token that is not a JWT; one of 64 KiB.

    @needs.access @needs.admin @needs.tenants
    Scenario Outline: A token of the kind <kind> opens nothing
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a "<kind>" token is denied every admin route of tenant "a"
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                     |
        | no-expiry                |
        | org-type                 |
        | foreign-team-key         |
        | foreign-team-key-our-kid |
        | embedded-jwk             |
        | embedded-jwk-own-kid     |
        | embedded-certificate     |
        | not-a-jwt                |
        | empty                    |
        | oversized                |

    @needs.access @needs.admin @needs.tenants
    Scenario: A token that is nearly a JWT opens nothing
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And each of these tokens is denied the record of tenant "a"
        | token                    |
        | only the header          |
        | header and payload       |
        | four parts               |
        | dots alone               |
        | a header that is no JSON |
        | an empty payload         |
      And a "good" token opens the record of tenant "a"

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: A service's token opens nothing either: <kind>
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      And a "good-service-token" token opens the record of tenant "a"
      Then a "<kind>" token is denied every admin route of tenant "a"
      And a "<kind>" token and a user's like it open nothing of tenant "a" by any other method
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                             |
        | service no-expiry                |
        | service org-type                 |
        | service foreign-team-key         |
        | service foreign-team-key-our-kid |
        | service embedded-jwk-own-kid     |
        | service oversized                |

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario: A token of exactly 64 KiB opens nothing
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And an "oversized-to-the-letter" token is denied every admin route of tenant "a"
      And a "good" token opens the record of tenant "a"
