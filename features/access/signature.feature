@core
Feature: A token must be signed by a key of the team domain
  Each token here says the right things; nobody of the team domain has signed them.
  It is refused on every admin route, in the header as in the cookie, and a good token is accepted before and after.

  @ACC-007 @must
  Rule: ACC-007 Bad signature
    Refused: a bad signature.

    @needs.access @needs.admin @needs.tenants
    Scenario Outline: A token whose signature does not hold opens nothing: <kind>
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a "<kind>" token is denied every admin route of tenant "a"
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind          |
        | bad-signature |
        | no-signature  |

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: A service's token whose signature does not hold opens nothing: <kind>
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      And a "good-service-token" token opens the record of tenant "a"
      Then a "<kind>" token is denied every admin route of tenant "a"
      And a "<kind>" token and a user's like it open nothing of tenant "a" by any other method
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                  |
        | service bad-signature |
        | service no-signature  |

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario: A header and payload that were accepted once open nothing with another signature
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      Then a token that was just accepted is denied the record of tenant "a" with another signature
      And a "good" token opens the record of tenant "a"

  @ACC-008 @must
  Rule: ACC-008 No algorithm
    Refused: `alg: none`.

    @needs.access @needs.admin @needs.tenants
    Scenario Outline: An unsigned token opens nothing: <kind>
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a "<kind>" token is denied every admin route of tenant "a"
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                |
        | alg-none            |
        | alg-none-mixed-case |

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: An unsigned token of a service opens nothing: <kind>
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      And a "good-service-token" token opens the record of tenant "a"
      Then a "<kind>" token is denied every admin route of tenant "a"
      And a "<kind>" token and a user's like it open nothing of tenant "a" by any other method
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                        |
        | service alg-none            |
        | service alg-none-mixed-case |

  @ACC-009 @must
  Rule: ACC-009 Another algorithm
    Refused: HS256 signed with the public key.

    @needs.access @needs.admin @needs.tenants
    Scenario: The public key as a shared secret opens nothing
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a "hs256-with-public-key" token is denied every admin route of tenant "a"
      And a "good" token opens the record of tenant "a"

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: The public key as a shared secret opens nothing for a service either: <kind>
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      And a "good-service-token" token opens the record of tenant "a"
      Then a "<kind>" token is denied every admin route of tenant "a"
      And a "<kind>" token and a user's like it open nothing of tenant "a" by any other method
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                          |
        | service hs256-with-public-key |

  @ACC-010 @must
  Rule: ACC-010 Unknown key
    Refused: an unknown `kid`.

    @needs.access @needs.admin @needs.tenants
    Scenario Outline: A token that names no key of ours opens nothing: <kind>
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a "<kind>" token is denied every admin route of tenant "a"
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind        |
        | unknown-kid |
        | no-kid      |
        | empty-kid   |

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: A service's token that names no key of ours opens nothing: <kind>
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      And a "good-service-token" token opens the record of tenant "a"
      Then a "<kind>" token is denied every admin route of tenant "a"
      And a "<kind>" token and a user's like it open nothing of tenant "a" by any other method
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                |
        | service unknown-kid |
        | service no-kid      |
        | service empty-kid   |

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: A key id that is nearly ours is another one: <kind>
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a "<kind>" token is denied every admin route of tenant "a"
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                    |
        | kid-in-other-case       |
        | kid-with-blanks         |
        | kid-beginning-with-ours |
        | kid-part-of-ours        |

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario: No key of the set takes the place of the one that is not named, the first as little as the last
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      Then a token under an unknown, an empty or no key id does not open the record of tenant "a", whichever listed key has signed it
      And a "good" token opens the record of tenant "a"

  @ACC-011 @must
  Rule: ACC-011 Another payload
    Refused: a tampered payload.

    @needs.access @needs.admin @needs.tenants
    Scenario: A good signature below other words opens nothing
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a "tampered-payload" token is denied every admin route of tenant "a"
      And a "good" token opens the record of tenant "a"

    @needs.access @needs.admin @needs.tenants
    Scenario: A signature that was accepted once does not hold for other words
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a token that was just accepted is denied the record of tenant "a" with another payload
      And a "good" token opens the record of tenant "a"

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario: A signature that was accepted once in the cookie does not hold for other words
      Given a free tenant "a"
      And the target takes the cookie for tenant "a"
      Then a token that was just accepted in the cookie is denied the record of tenant "a" with another payload
      And a "good" token opens the record of tenant "a"

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: A good signature below other words opens nothing for a service either: <kind>
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      And a "good-service-token" token opens the record of tenant "a"
      Then a "<kind>" token is denied every admin route of tenant "a"
      And a "<kind>" token and a user's like it open nothing of tenant "a" by any other method
      And a "good" token opens the record of tenant "a"

      Examples:
        | kind                     |
        | service tampered-payload |
