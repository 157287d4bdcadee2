@core
Feature: Rows survive what databases and deployments do, and callers never notice
  The write follows the answer; it is tried again, never doubled, and not forgotten when the backend ends.

  @USG-008 @must
  Rule: USG-008 Nobody waits for the write
    The write never delays the response: with D1 slow by 2 s the caller sees no added latency, and the row still appears.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.store-faults @waits
    Scenario Outline: With D1 slow by 2 s the answer comes <way> without waiting
      Given a free tenant "a"
      And D1 takes 2 s longer for the usage writes of tenant "a"
      And the upstream replies "answer 23/6"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      And the usage write of tenant "a" met the trouble
      And the caller had the answer before the usage write of tenant "a" was through
      And the usage rows of tenant "a" have tokens "23/6"

      Examples:
        | way         |
        | plainly     |
        | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.store-faults @waits @since.1.1
    Scenario Outline: The next answer comes <way> without waiting for the row of the one before
      Given a free tenant "a"
      And D1 takes 2 s longer for the usage writes of tenant "a"
      And the upstream replies "answer 23/6"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage write of tenant "a" met the trouble
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      And the caller had the answer before the first usage write of tenant "a" was through
      And the usage rows of tenant "a" have tokens "23/6, 23/6"

      Examples:
        | way         |
        | plainly     |
        | in a stream |

  @USG-009 @must
  Rule: USG-009 A busy database is asked again, three times
    D1 overloaded or busy: 3 retries after 100, 200, 400 ms; then the loss is logged once and the caller never notices.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.store-faults @waits
    Scenario: The third retry brings the row home
      Given a free tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "7/3"
      Given D1 is busy for the next 3 usage writes of tenant "a"
      And the upstream replies "answer 51/13"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage write of tenant "a" was tried 4 times, after pauses of "100, 200, 400" ms
      And the caller had the answer before the usage write of tenant "a" was through
      And the usage rows of tenant "a" have tokens "7/3, 51/13"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.store-faults @needs.logs @waits
    Scenario Outline: After the third retry the row is given up, the caller has his answer <way>
      Given a free tenant "a"
      And D1 is busy for all usage writes of tenant "a"
      And the upstream replies "answer 51/13"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      And the loss of a usage row of tenant "a" is logged once, after 4 tries
      And the usage write of tenant "a" was tried 4 times, after pauses of "100, 200, 400" ms
      And the caller had the answer before the usage write of tenant "a" was through
      Given D1 works again for tenant "a"
      And the upstream replies "answer 41/17"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

      Examples:
        | way         |
        | plainly     |
        | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.store-faults @waits @since.1.1
    Scenario Outline: A database that says "<words>" is asked again
      Given a free tenant "a"
      And D1 says "<words>" to the next usage write of tenant "a"
      And the upstream replies "answer 51/13"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage write of tenant "a" was tried 2 times, after pauses of "100" ms
      And the usage rows of tenant "a" have tokens "51/13"

      Examples:
        | words                                                        |
        | D1_ERROR: D1 DB is overloaded. Requests queued for too long. |
        | D1_ERROR: D1 DB is overloaded. Too many requests queued.     |
        | D1_ERROR: database is locked: SQLITE_BUSY                    |
        | database is locked                                           |

  @USG-010 @must
  Rule: USG-010 A write that is repeated counts once
    A retried write leaves one row (idempotent key), also when the first write succeeded but its answer was lost.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.store-faults @waits
    Scenario Outline: One row, though the answer to the write was lost <times> times
      Given a free tenant "a"
      And D1 does the next <times> usage writes of tenant "a" and loses the answer
      And the upstream replies "answer 61/19"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And a retry for tenant "a" has had its time
      And the usage rows of tenant "a" have tokens "61/19"
      And the usage row with tokens "61/19" says that the 8b model answered tenant "a"

      Examples:
        | times |
        | 1     |
        | 2     |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.store-faults @waits @since.1.1
    Scenario Outline: One row, though D1 said in place of an answer: <words>
      Given a free tenant "a"
      And D1 does the next 1 usage writes of tenant "a" and loses the answer, saying "<words>"
      And the upstream replies "answer 61/19"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And a retry for tenant "a" has had its time
      And the usage rows of tenant "a" have tokens "61/19"

      Examples:
        | words                                                                               |
        | D1_ERROR: D1 DB reset because its code was updated.                                 |
        | D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset. |
        | D1_ERROR: Internal error in D1 DB storage caused object to be reset.                |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.store-faults @waits @since.1.1
    Scenario: One row, though every answer to its writes was lost, and no second one by what follows
      Given a free tenant "a"
      And D1 does the next 4 usage writes of tenant "a" and loses the answer
      And the upstream replies "answer 61/19"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And every retry for tenant "a" has had its time
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "61/19, 41/17"
      Given the upstream replies "answer 7/3"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "61/19, 41/17, 7/3"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.store-faults @waits
    Scenario: One row, though the first write was refused
      Given a free tenant "a"
      And D1 is busy for the next 1 usage writes of tenant "a"
      And the upstream replies "answer 61/19"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage write of tenant "a" was tried 2 times, after pauses of "100" ms
      And the usage rows of tenant "a" have tokens "61/19"

  @USG-015 @must
  Rule: USG-015 Pending rows outlive the backend
    On an orderly shutdown no pending row is lost. After a kill no row is half-written or doubled.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.restart @waits
    Scenario: An orderly shutdown waits for the rows that D1 has not taken yet
      Given the scenario has a backend that it may end
      And a free tenant "a"
      When 8 prompts of tenant "a" are answered while D1 takes no write, and the backend is shut down
      And that backend starts again
      Then every answered prompt of tenant "a" has its usage row
      And no usage row of tenant "a" is doubled or half-written

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.restart @waits
    Scenario: An orderly shutdown in the midst of work loses nothing
      Given the scenario has a backend that it may end
      And an enterprise tenant "a"
      When 40 prompts of tenant "a" are under way and the backend is shut down after 20 answers
      And that backend starts again
      Then every answered prompt of tenant "a" has its usage row
      And no usage row of tenant "a" is doubled or half-written

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.restart @waits
    Scenario: A sudden death in the midst of work leaves whole rows, each once
      Given the scenario has a backend that it may end
      And an enterprise tenant "a"
      When 40 prompts of tenant "a" are under way and the backend is killed after 20 answers
      And that backend starts again
      Then no usage row of tenant "a" is doubled or half-written
      And the database is sound
      Given a free tenant "b"
      When tenant "b" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "b" have tokens "7/3"
