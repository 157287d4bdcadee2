//! The target's own tool for migrations as a command. Never decides what its exit means.

use crate::subject::{Applied, Runner};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Where the database of a tool lies that is told where to put it.
const DATABASE: &str = "api.sqlite";

/// A tool that is a command. In its words `{migrations}` stands for the folder of the migrations, `{database}` for the SQLite file,
/// `{folder}` for the folder of the database, `{environment}` for the environment and `{seed}` for the name of its seed; `made` is the path of the file
/// within `{folder}` where the command itself decides it. It runs in the folder `within`.
#[must_use]
pub fn command(words: Vec<String>, within: PathBuf, made: Option<String>) -> Runner {
    Arc::new(move |migrations, folder, environment| {
        let database = folder.join(made.as_deref().unwrap_or(DATABASE));
        let told = |word: &String| {
            word.replace("{migrations}", &migrations.to_string_lossy())
                .replace("{database}", &database.to_string_lossy())
                .replace("{folder}", &folder.to_string_lossy())
                .replace("{environment}", environment)
                .replace("{seed}", seed_of(environment))
        };
        let mut words = words.iter().map(told);
        let mut command = Command::new(words.next().unwrap_or_default());
        let mut child = command
            .args(words)
            .current_dir(&within)
            .env("ENVIRONMENT", environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // Open until the command has ended, and no longer than this process lives: a supervisor ends what it supervises by that.
        let lifeline = child.stdin.take();
        let status = child.wait()?;
        drop(lifeline);
        Ok(Applied {
            has_succeeded: status.success(),
            database,
        })
    })
}

/// The name of the file that an environment begins with, without its suffix.
#[must_use]
pub fn seed_of(environment: &str) -> &'static str {
    match environment {
        "development" => "dev_seed",
        _ => "prod_setup",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_command_is_told_where_everything_lies_and_its_exit_is_what_it_said() {
        let run = |script: &str| {
            let words = [
                "sh",
                "-c",
                script,
                "{migrations}",
                "{database}",
                "{environment}",
                "{seed}",
            ];
            let tool = command(words.map(str::to_owned).to_vec(), PathBuf::from("."), None);
            tool(Path::new("/migrations"), Path::new("/folder"), "staging").unwrap()
        };
        let told = run(
            "test \"$0 $1 $2 $3 $ENVIRONMENT\" = '/migrations /folder/api.sqlite staging prod_setup staging'",
        );
        assert!(told.has_succeeded);
        assert_eq!(told.database, Path::new("/folder/api.sqlite"));
        assert!(!run("exit 3").has_succeeded);
    }
}
