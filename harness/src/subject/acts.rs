//! Does what the operator does by hand. Never does more than its manifest says.

use super::manifest::acts::Act;
use super::registry;
use super::seeding::NotMade;
use super::templates::{Told, written};
use super::tenant::Tenant;
use super::{Instance, Target};
use std::collections::BTreeMap;

impl Act {
    /// Does it.
    ///
    /// # Errors
    /// [`NotMade`] when a store or a command refuses, or nothing can be done there.
    pub async fn perform(
        &self,
        target: &dyn Target,
        instance: &Instance,
        tenant: &Tenant,
        former: &Tenant,
    ) -> Result<(), NotMade> {
        let told = Told {
            dialect: target.dialect(),
            tenant,
            former: Some(former),
        };
        let no_way = |what: &str| {
            NotMade::NoWay(format!(
                "the operator acts by hand, and variant `{}` has no {what} to act on",
                instance.variant.name()
            ))
        };
        let quoted = |text: &str| text.replace('\'', "''");
        for statement in self
            .sql
            .iter()
            .flat_map(|sql| written(&[sql], &told, quoted))
        {
            let d1 = instance.d1.as_ref().ok_or_else(|| no_way("D1"))?;
            let done = d1.execute_own(&statement[0], &[]).await;
            done.map_err(|error| NotMade::Fault(error.into()))?;
        }
        let gone = self
            .kv_delete
            .iter()
            .flat_map(|key| written(&[key], &told, str::to_owned));
        for row in gone {
            let kv = instance.kv.as_ref().ok_or_else(|| no_way("KV"))?;
            let done = kv.delete(&row[0]).await;
            done.map_err(|error| NotMade::Fault(error.into()))?;
        }
        for entry in registry::filled(&self.kv, &told) {
            let kv = instance.kv.as_ref().ok_or_else(|| no_way("KV"))?;
            let done = entry.put(kv.as_ref()).await;
            done.map_err(|error| NotMade::Fault(error.into()))?;
        }
        for command in &self.run {
            self.run_one(command, instance, &told).await?;
        }
        Ok(())
    }

    async fn run_one(
        &self,
        command: &[String],
        instance: &Instance,
        told: &Told<'_>,
    ) -> Result<(), NotMade> {
        let commands = instance.commands.as_ref().ok_or_else(|| {
            NotMade::NoWay("the operator acts by a command, which nobody runs here".to_owned())
        })?;
        let words: Vec<&String> = command.iter().collect();
        for filled in written(&words, told, str::to_owned) {
            let said = commands.run(&filled, BTreeMap::new()).await;
            let said = said.map_err(|why| NotMade::Fault(super::Fault(why)))?;
            if !said.ok {
                return Err(NotMade::Fault(super::Fault(format!(
                    "the command of the operator failed: {}",
                    said.errors.trim()
                ))));
            }
        }
        Ok(())
    }
}
