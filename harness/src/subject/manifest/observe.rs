//! What the harness may look at in a described target. Never looks.

use schemars::JsonSchema;
use serde::Deserialize;

/// What the harness may look at: each thing on its own, each by a way of its own.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observe {
    /// Rows of `TENANT_DB`.
    pub d1: Option<D1Source>,
    /// Entries of `TENANT_KV`.
    pub kv: Option<KvSource>,
    /// Objects of `MOLTBOT_BUCKET`.
    pub r2: Option<R2Source>,
    /// Log lines: `"output"`, or a table.
    pub logs: Option<LogSource>,
    /// What AI Gateway itself has logged of the calls; needed only where the harness does not play the gateway.
    pub ai_gateway: Option<CallSource>,
    /// How it is seen which tenant answered; without it the answer of the status route says so.
    pub who: Option<WhoSource>,
}

/// How it is seen which tenant answered. What is seen may name it by id, slug or sandbox id.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum WhoSource {
    /// A field of the status answer.
    Status {
        /// JSON pointer.
        pointer: String,
    },
    /// A header of the status answer.
    Header {
        /// Its name.
        name: String,
    },
    /// The metadata of a chat's model call: `dialect.metadata_tenant` names the key.
    AiGateway {},
    /// A log line of a chat: `dialect.log.fields.tenant_id` says where the tenant is in it.
    Log {},
    /// The file of each tenant that a chat of it changes.
    File {
        /// With `{id}`, `{slug}` or `{sandbox_id}`, and placeholders such as `{state}`; relative to the manifest.
        path: String,
    },
    /// The file of the SQLite Durable Object of each tenant that a chat of it changes.
    DurableObject {
        /// The folder of the class, such as `{state}/v3/do/worker-Sandbox`; relative to the manifest.
        folder: String,
        /// The object's name, with `{id}`, `{slug}` or `{sandbox_id}`.
        name: String,
    },
    /// A statement that reads: with `{marker}` it finds what a chat with this text in its prompt left, and its first column names the
    /// tenant; with `{id}`, `{slug}` or `{sandbox_id}` it shows what a chat of that tenant changes.
    Sql {
        /// The statement.
        sql: String,
    },
}

impl WhoSource {
    /// What types cannot say; `None` if it can be used.
    pub(super) fn flaw(&self, has_d1: bool, has_logs: bool) -> Option<String> {
        let of_tenant = |text: &str| {
            ["{id}", "{slug}", "{sandbox_id}"]
                .iter()
                .any(|name| text.contains(name))
        };
        let wrong = match self {
            Self::Status { pointer } => (!pointer.starts_with('/')).then(|| {
                format!("pointer: `{pointer}` is no JSON pointer: it must begin with `/`")
            }),
            Self::Header { name } => name.is_empty().then(|| "name is empty".to_owned()),
            Self::File { path: text } | Self::DurableObject { name: text, .. } => {
                (!of_tenant(text)).then(|| {
                    format!("`{text}` holds neither {{id}} nor {{slug}} nor {{sandbox_id}}")
                })
            }
            Self::Sql { sql } if !of_tenant(sql) && !sql.contains("{marker}") => {
                Some("sql holds neither {marker} nor {id}, {slug} or {sandbox_id}".to_owned())
            }
            Self::Sql { .. } => (!has_d1).then(|| "kind `sql` needs [observe] d1".to_owned()),
            Self::Log {} => (!has_logs).then(|| "kind `log` needs [observe] logs".to_owned()),
            Self::AiGateway {} => None,
        };
        wrong.map(|why| format!("[observe] who: {why}"))
    }
}

/// How rows of D1 are seen.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum D1Source {
    /// The local explorer of `wrangler dev`.
    Explorer {
        /// Path of the explorer at each instance, such as `/cdn-cgi/explorer/api`.
        path: String,
        /// D1 database id.
        database: String,
        /// Whether rows may be written behind the target's back.
        #[serde(default = "yes")]
        writable: bool,
    },
    /// The SQLite file of a local D1.
    Sqlite {
        /// The file, or a folder whose only `*.sqlite` beside `metadata.sqlite` it is; may hold placeholders such as `{state}`; relative to the manifest.
        file: String,
        /// The id of the database, where the folder holds several: the one with the tables of tenants and usage, or one of them.
        database: Option<String>,
        /// The ids of further databases in the same folder: a table that is not in the first one is looked for there.
        #[serde(default)]
        also: Vec<String>,
        /// Whether rows may be written behind the target's back.
        #[serde(default = "yes")]
        writable: bool,
    },
    /// Cloudflare's REST API.
    Rest {
        /// Account id.
        account: String,
        /// D1 database id.
        database: String,
        /// An API token that may read D1 (and write it, if `writable`).
        api_token: String,
        /// Another address of the API.
        #[serde(default = "cloudflare")]
        base_url: String,
        /// Whether rows may be written behind the target's back.
        #[serde(default)]
        writable: bool,
    },
    /// A command that prints what `wrangler d1 execute --json` prints.
    Command {
        /// The command, with `{sql}` for the statement.
        run: Vec<String>,
        /// Whether rows may be written behind the target's back; by default unless the command says `--remote`.
        writable: Option<bool>,
    },
}

impl D1Source {
    /// Whether rows may be written behind the target's back.
    #[must_use]
    pub fn writable(&self) -> bool {
        match self {
            Self::Explorer { writable, .. }
            | Self::Sqlite { writable, .. }
            | Self::Rest { writable, .. } => *writable,
            Self::Command { run, writable } => writable.unwrap_or(!is_remote(run)),
        }
    }
}

/// How entries of KV are seen.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum KvSource {
    /// The local explorer of `wrangler dev`.
    Explorer {
        /// Path of the explorer at each instance, such as `/cdn-cgi/explorer/api`.
        path: String,
        /// KV namespace id.
        namespace: String,
        /// Whether entries may be written behind the target's back.
        #[serde(default = "yes")]
        writable: bool,
    },
    /// Cloudflare's REST API.
    Rest {
        /// Account id.
        account: String,
        /// KV namespace id.
        namespace: String,
        /// An API token that may read KV (and write it, if `writable`).
        api_token: String,
        /// Another address of the API.
        #[serde(default = "cloudflare")]
        base_url: String,
        /// Whether entries may be written behind the target's back.
        #[serde(default)]
        writable: bool,
    },
    /// Commands such as those of `wrangler kv key`.
    Command {
        /// With `{key}`; prints the bare value and a line break.
        get: Vec<String>,
        /// With `{prefix}`; prints a JSON list of objects with `name`.
        list: Vec<String>,
        /// With `{key}` and `{value}`, and `{metadata}`, JSON, where the Worker keeps metadata beside its entries.
        put: Option<Vec<String>>,
        /// With `{key}`.
        delete: Option<Vec<String>>,
        /// Whether entries may be written behind the target's back; by default if `put` and `delete` are there and do not say `--remote`.
        writable: Option<bool>,
    },
}

impl KvSource {
    /// Whether entries may be written behind the target's back.
    #[must_use]
    pub fn writable(&self) -> bool {
        match self {
            Self::Explorer { writable, .. } | Self::Rest { writable, .. } => *writable,
            Self::Command {
                put,
                delete,
                writable,
                ..
            } => match (put, delete) {
                (Some(put), Some(delete)) => {
                    writable.unwrap_or(!is_remote(put) && !is_remote(delete))
                }
                (None, _) | (_, None) => false,
            },
        }
    }
}

/// How objects of R2 are seen.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum R2Source {
    /// The local explorer of `wrangler dev`.
    Explorer {
        /// Path of the explorer at each instance, such as `/cdn-cgi/explorer/api`.
        path: String,
        /// R2 bucket name.
        bucket: String,
    },
    /// A directory; an object's key is its relative path.
    Directory {
        /// The directory; may hold placeholders such as `{state}`; relative to the manifest.
        path: String,
    },
}

/// Where log lines come from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "`logs` is \"output\" or { kind = \"tail\", command = [...] }"
)]
pub enum LogSource {
    /// By a word.
    Word(LogWord),
    /// By a table.
    Table(LogTable),
}

/// Log lines that need no further word.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogWord {
    /// What the started process prints.
    Output,
}

/// Log lines that something else fetches.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LogTable {
    /// `wrangler tail --format json`, or what prints the same trace events. Lines may be missing there: nothing is proven by one that does not come.
    Tail {
        /// The command; runs as long as the instance is judged.
        command: Vec<String>,
    },
}

/// What AI Gateway itself has logged.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum CallSource {
    /// The Logs API of AI Gateway.
    LogsRest {
        /// Account id.
        account: String,
        /// Gateway id.
        gateway: String,
        /// An API token that may read AI Gateway.
        api_token: String,
        /// Another address of the API.
        #[serde(default = "cloudflare")]
        base_url: String,
    },
}

fn is_remote(command: &[String]) -> bool {
    command
        .iter()
        .any(|word| word == "--remote" || word == "--remote=true")
}

fn yes() -> bool {
    true
}

fn cloudflare() -> String {
    crate::observe::CLOUDFLARE.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Observe {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_is_remote_is_not_written_unless_the_manifest_says_so() {
        let d1 = |text: &str| read(&format!("d1 = {{ {text} }}")).d1.unwrap().writable();
        assert!(d1("kind = 'explorer', path = '/x', database = 'd'"));
        assert!(d1("kind = 'sqlite', file = 'd'"));
        assert!(d1(
            "kind = 'command', run = ['wrangler', '--local', '{sql}']"
        ));
        assert!(!d1(
            "kind = 'command', run = ['wrangler', '--remote', '{sql}']"
        ));
        assert!(d1(
            "kind = 'command', run = ['wrangler', '--remote', '{sql}'], writable = true"
        ));
        let rest = "kind = 'rest', account = 'a', database = 'd', api_token = 't'";
        assert!(!d1(rest));
        assert!(d1(&format!("{rest}, writable = true")));
    }

    #[test]
    fn kv_without_commands_that_write_is_not_written() {
        let kv = |text: &str| {
            read(&format!(
                "kv = {{ kind = 'command', get = ['g'], list = ['l'], {text} }}"
            ))
            .kv
            .unwrap()
            .writable()
        };
        assert!(kv("put = ['p'], delete = ['d']"));
        assert!(!kv("put = ['p']"));
        assert!(!kv("put = ['p'], writable = true"));
        assert!(!kv("put = ['p', '--remote'], delete = ['d', '--remote']"));
    }

    #[test]
    fn logs_are_a_word_or_a_table_and_nothing_else() {
        assert!(matches!(
            read("logs = 'output'").logs,
            Some(LogSource::Word(LogWord::Output))
        ));
        assert!(matches!(
            read("logs = { kind = 'tail', command = ['wrangler'] }").logs,
            Some(LogSource::Table(_))
        ));
        let error = toml::from_str::<Observe>("logs = true")
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"output\""), "{error}");
    }

    #[test]
    fn a_key_that_is_none_is_an_error() {
        assert!(toml::from_str::<Observe>("output_is_log = true").is_err());
        assert!(
            toml::from_str::<Observe>("r2 = { kind = 'directory', path = 'x', bucket = 'y' }")
                .is_err()
        );
    }
}
