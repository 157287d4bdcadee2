@api-worker @since.1.1
Feature: Tables, conversations and usage
  What a chat leaves behind is whole and in order.

  @API-001 @must
  Rule: API-001 Tables from end to end
    The fourteen tables `usage_logs, rate_limits, api_keys, conversations, messages, user_preferences, model_pricing, webhooks, audit_logs, user_sessions, feature_flags, daily_usage_stats, system_metrics, schema_metadata` exist with keys, references, indexes and constraints; usage tracking and conversation history work end to end: a chat of a conversation appends its messages in order, tool calls included, and its usage log.

    Scenario: A chat of a conversation appends its messages and the answer in order, tool calls included
      Given the API worker that the target offers, with users and models of this scenario
      Then a chat of a conversation appends its messages and the answer in order, tool calls included

    Scenario: A model is sent the stored messages of the conversation in order before the new ones
      Given the API worker that the target offers, with users and models of this scenario
      Then a model is sent the stored messages of the conversation in order before the new ones

    Scenario: A stream's answer is put together from its chunks and appended, tool calls included
      Given the API worker that the target offers, with users and models of this scenario
      Then a stream's answer is put together from its chunks and appended, tool calls included

    Scenario: A native stream's answer is put together and appended as well
      Given the API worker that the target offers, with users and models of this scenario
      Then a native stream's answer is put together and appended as well

    Scenario: A stream whose every frame tells the usage so far is put together whole
      Given the API worker that the target offers, with users and models of this scenario
      Then a stream whose every frame tells the usage so far is put together whole

    Scenario: A model is sent the whole of a long conversation
      Given the API worker that the target offers, with users and models of this scenario
      Then a model is sent the whole of a long conversation

    Scenario: A chat whose conversation is deleted while the model answers has its usage row
      Given the API worker that the target offers, with users and models of this scenario
      Then a chat whose conversation is deleted while the model answers has its usage row

    Scenario: A chat that fails appends nothing and has no usage row
      Given the API worker that the target offers, with users and models of this scenario
      Then a chat that fails appends nothing and has no usage row

    Scenario: The migrations apply in order and make the fourteen tables, each with a primary key
      Given the API worker that the target offers, with users and models of this scenario
      Then the migrations apply in order and make the fourteen tables, each with a primary key

    Scenario: Messages refer to conversations and sessions to keys, each reference by an index
      Given the API worker that the target offers, with users and models of this scenario
      Then messages refer to conversations and sessions to keys, each reference by an index

    Scenario: What the routes look for is found by an index
      Given the API worker that the target offers, with users and models of this scenario
      Then what the routes look for is found by an index

    Scenario: No table takes a kind, an amount or a text that the contract does not know
      Given the API worker that the target offers, with users and models of this scenario
      Then no table takes a kind, an amount or a text that the contract does not know

    Scenario: The fourteen tables exist, each with a primary key
      Given the API worker that the target offers, with users and models of this scenario
      Then the fourteen tables exist, each with a primary key

    Scenario: No row can refer to what is not there: references hold and are indexed
      Given the API worker that the target offers, with users and models of this scenario
      Then no row can refer to what is not there: references hold and are indexed

    Scenario: The database itself refuses values that the contract does not know
      Given the API worker that the target offers, with users and models of this scenario
      Then the database itself refuses values that the contract does not know

    Scenario: Of chats of one conversation at once each appends its messages without another's between them
      Given the API worker that the target offers, with users and models of this scenario
      Then of chats of one conversation at once each appends its messages without another's between them

    Scenario: A conversation is its user's only: another's id answers as an unknown one and nothing is appended
      Given the API worker that the target offers, with users and models of this scenario
      Then a conversation is its user's only: another's id answers as an unknown one and nothing is appended

    Scenario: Conversations are listed newest first, each once, and one that was deleted is gone with its messages
      Given the API worker that the target offers, with users and models of this scenario
      Then conversations are listed newest first, each once, and one that was deleted is gone with its messages

    Scenario: Each successful chat leaves exactly one usage row that names its request, key, user, conversation, model and tokens
      Given the API worker that the target offers, with users and models of this scenario
      Then each successful chat leaves exactly one usage row that names its request, key, user, conversation, model and tokens

    Scenario: Chats at once leave one usage row each
      Given the API worker that the target offers, with users and models of this scenario
      Then chats at once leave one usage row each

    Scenario: Usage is listed oldest first from an instant on and before another, to its own user only
      Given the API worker that the target offers, with users and models of this scenario
      Then usage is listed oldest first from an instant on and before another, to its own user only

    Scenario: A chat or a conversation that breaks a rule is refused, and neither a message nor usage is left of it
      Given the API worker that the target offers, with users and models of this scenario
      Then a chat or a conversation that breaks a rule is refused, and neither a message nor usage is left of it

    Scenario: A drawn sequence of keys, chats, failures and clock steps leaves the usage and the messages that a model has
      Given the API worker that the target offers, with users and models of this scenario
      Then a drawn sequence of keys, chats, failures and clock steps leaves the usage and the messages that a model has

  @API-014 @should
  Rule: API-014 Formats
    One time format per database; money is an integer.

    Scenario: Every column of times is declared in one type
      Given the API worker that the target offers, with users and models of this scenario
      Then every column of times is declared in one type

    Scenario: The seed, the set-up and the schema's own defaults write times in one format
      Given the API worker that the target offers, with users and models of this scenario
      Then the seed, the set-up and the schema's own defaults write times in one format

    Scenario: Every column of money is declared as an integer
      Given the API worker that the target offers, with users and models of this scenario
      Then every column of money is declared as an integer

    Scenario: The seed and the views hold money in integers
      Given the API worker that the target offers, with users and models of this scenario
      Then the seed and the views hold money in integers

    Scenario: The target's own database holds times in one format and money in integers
      Given the API worker that the target offers, with users and models of this scenario
      Then the target's own database holds times in one format and money in integers

    Scenario: What requests leave, those that fail among them, has times in one format and money in integers
      Given the API worker that the target offers, with users and models of this scenario
      Then what requests leave, those that fail among them, has times in one format and money in integers
