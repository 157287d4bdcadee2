//! Which tenant answered, seen in other places than the answer's body: what each tenant leaves there. Never concludes anything.

use super::{D1, Row};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What stands in the texts of a manifest for a tenant's own; they stay when the rest is filled in.
pub const TENANT_PLACEHOLDERS: [(&str, &str); 3] = [
    ("id", "{id}"),
    ("slug", "{slug}"),
    ("sandbox_id", "{sandbox_id}"),
];

/// Where it is seen which tenant answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// At this JSON pointer of the status answer, as sent.
    Status(String),
    /// In this header of the status answer, in lower case.
    Header(String),
    /// In the metadata of a chat's model call.
    AiGateway,
    /// In the log lines of a chat.
    Log,
    /// By the tenant's file that a chat changes.
    File(PathBuf),
    /// By the tenant's SQLite Durable Object that a chat changes.
    DurableObject {
        /// The folder of its class, whose name is the key of the namespace.
        folder: PathBuf,
        /// The object's name.
        name: String,
    },
    /// By a statement that reads.
    Sql(String),
}

/// A tenant as these places may name it.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// The tenant id.
    pub id: &'a str,
    /// The slug.
    pub slug: &'a str,
    /// The sandbox id.
    pub sandbox_id: &'a str,
}

impl Named<'_> {
    fn filled(&self, text: &str) -> String {
        text.replace("{id}", self.id)
            .replace("{slug}", self.slug)
            .replace("{sandbox_id}", self.sandbox_id)
    }
}

/// What is there of one tenant; another value afterwards means that something was done for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// Lengths and times of the file and of its write-ahead log; `None` where there is no such file.
    Files([Option<(u64, Option<SystemTime>)>; 2]),
    /// The rows.
    Rows(Vec<Row>),
}

impl Who {
    /// Whether it is by a change of what each tenant has that one is told from the others.
    #[must_use]
    pub fn is_by_change(&self) -> bool {
        match self {
            Self::File(_) | Self::DurableObject { .. } => true,
            Self::Sql(sql) => !sql.contains("{marker}"),
            Self::Status(_) | Self::Header(_) | Self::AiGateway | Self::Log => false,
        }
    }

    /// What is there of a tenant now; `None` where nothing is kept by tenant.
    ///
    /// # Errors
    /// The look at D1 failed.
    pub async fn trace(
        &self,
        tenant: Named<'_>,
        d1: Option<&dyn D1>,
    ) -> Result<Option<Trace>, super::CannotObserve> {
        let file = match self {
            Self::File(path) => PathBuf::from(tenant.filled(&path.to_string_lossy())),
            Self::DurableObject { folder, name } => {
                let key = folder.file_name().unwrap_or_default().to_string_lossy();
                let id = durable_object_id(&key, &tenant.filled(name));
                folder.join(format!("{id}.sqlite"))
            }
            Self::Sql(sql) => {
                let sql = sql_for(tenant, sql);
                return Ok(match d1 {
                    Some(d1) => Some(Trace::Rows(d1.query(&sql, &[]).await?)),
                    None => None,
                });
            }
            Self::Status(_) | Self::Header(_) | Self::AiGateway | Self::Log => return Ok(None),
        };
        let mut log = file.clone().into_os_string();
        log.push("-wal");
        Ok(Some(Trace::Files([stamp(&file), stamp(Path::new(&log))])))
    }
}

fn stamp(path: &Path) -> Option<(u64, Option<SystemTime>)> {
    let there = std::fs::metadata(path).ok()?;
    Some((there.len(), there.modified().ok()))
}

/// A statement with a tenant's own in it: they are of the harness's making, and quotes in them are doubled nevertheless.
fn sql_for(tenant: Named<'_>, sql: &str) -> String {
    let doubled = [tenant.id, tenant.slug, tenant.sandbox_id].map(|text| text.replace('\'', "''"));
    let [id, slug, sandbox_id] = &doubled;
    Named {
        id,
        slug,
        sandbox_id,
    }
    .filled(sql)
}

/// The id that workerd gives to the object of a name: half of a keyed hash of the name, and half of one over that.
///
/// The file of the object is called so, and a local D1 database is such an object, too.
#[must_use]
pub fn durable_object_id(unique_key: &str, name: &str) -> String {
    let key = digest(&SHA256, unique_key.as_bytes());
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
    let half = |of: &[u8]| hmac::sign(&key, of).as_ref()[..16].to_vec();
    let base = half(name.as_bytes());
    let check = half(&base);
    data_encoding::HEXLOWER.encode(&[base, check].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: Named<'_> = Named {
        id: "t-1",
        slug: "acme",
        sandbox_id: "sk-0011223344556677",
    };

    async fn trace(who: &Who) -> Option<Trace> {
        who.trace(TENANT, None).await.unwrap()
    }

    #[tokio::test]
    async fn a_file_that_grows_or_comes_is_another_trace_and_another_tenants_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let who = Who::File(folder.path().join("{sandbox_id}.jsonl"));
        let before = trace(&who).await;
        std::fs::write(folder.path().join("sk-other.jsonl"), "x").unwrap();
        assert_eq!(before, trace(&who).await);
        std::fs::write(folder.path().join("sk-0011223344556677.jsonl"), "x").unwrap();
        let there = trace(&who).await;
        assert_ne!(before, there);
        std::fs::write(folder.path().join("sk-0011223344556677.jsonl-wal"), "x").unwrap();
        assert_ne!(there, trace(&who).await);
    }

    #[test]
    fn an_object_has_the_id_that_workerd_gave_it() {
        // Seen as the file name of a database whose id is this, made by workerd 1.20260426.1.
        assert_eq!(
            durable_object_id(
                "miniflare-D1DatabaseObject",
                "00000000-0000-0000-0000-0000000000c2"
            ),
            "68e0fbb9ce887160889761b71beeaf0a3c3a40467c96dddc386f81cc28de5fce"
        );
    }

    #[test]
    fn quotes_in_a_tenants_own_stay_inside_the_text() {
        let tenant = Named {
            id: "o'neil",
            ..TENANT
        };
        assert_eq!(
            sql_for(tenant, "SELECT 1 FROM t WHERE id = '{id}'"),
            "SELECT 1 FROM t WHERE id = 'o''neil'"
        );
    }
}
