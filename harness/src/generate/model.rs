//! The contract's own picture of a few tenants: who has which name, what each host answers, which usage rows are due.
//! Never asks a target.

use super::actions::{Address, WriteFault};
use super::quota::Used;
use crate::oracle::sandbox_id;
use crate::oracle::usage::Tokens;
use std::collections::BTreeSet;

/// A usage row that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DueRow {
    pub(super) model: String,
    pub(super) tokens: Tokens,
    /// When the caller sent the request, epoch milliseconds.
    pub(super) sent_at_ms: i64,
    /// What the caller measured, whole milliseconds, rounded up.
    pub(super) measured_ms: i64,
}

/// A tenant as the contract has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: String,
    pub(super) sandbox_id: String,
    pub(super) slug: usize,
    pub(super) tier: &'static str,
    pub(super) domains: BTreeSet<usize>,
    pub(super) alive: bool,
    pub(super) used: Used,
    pub(super) rows: Vec<DueRow>,
    pub(super) reads_fail: bool,
    pub(super) write_fault: Option<WriteFault>,
}

/// Somebody else has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken;

/// All tenants of a case, deleted ones included.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) tenants: Vec<Known>,
}

impl Model {
    /// The place of the living tenant with this slug.
    pub(super) fn of_slug(&self, slug: usize) -> Option<usize> {
        self.find(|tenant| tenant.slug == slug)
    }

    /// The place of the tenant that a host is answered as.
    pub(super) fn at(&self, address: Address) -> Option<usize> {
        match address {
            Address::Slug(slug) => self.of_slug(slug),
            Address::Domain(domain) => self.find(|tenant| tenant.domains.contains(&domain)),
        }
    }

    fn find(&self, wanted: impl Fn(&Known) -> bool) -> Option<usize> {
        self.tenants
            .iter()
            .position(|tenant| tenant.alive && wanted(tenant))
    }

    /// The id of the last tenant that had this slug, living or not.
    pub(super) fn last_id(&self, slug: usize) -> Option<String> {
        let living = self.of_slug(slug).map(|at| &self.tenants[at]);
        let last = living.or_else(|| self.tenants.iter().rev().find(|tenant| tenant.slug == slug));
        last.map(|tenant| tenant.id.clone())
    }

    /// Makes a tenant, unless somebody has one of its names.
    pub(super) fn create(
        &mut self,
        id: &str,
        slug: usize,
        tier: &'static str,
        domain: Option<usize>,
    ) -> Result<(), Taken> {
        let domains: BTreeSet<usize> = domain.into_iter().collect();
        if self.of_slug(slug).is_some() || self.holds(&domains, None) {
            return Err(Taken);
        }
        self.tenants.push(Known {
            id: id.to_owned(),
            sandbox_id: sandbox_id::expected(id),
            slug,
            tier,
            domains,
            alive: true,
            used: Used::default(),
            rows: Vec::new(),
            reads_fail: false,
            write_fault: None,
        });
        Ok(())
    }

    /// Gives a tenant another slug, unless somebody else has it.
    pub(super) fn rename(&mut self, at: usize, to: usize) -> Result<(), Taken> {
        if self.of_slug(to).is_some_and(|other| other != at) {
            return Err(Taken);
        }
        self.tenants[at].slug = to;
        Ok(())
    }

    /// Gives a tenant these custom hosts and no others, unless somebody else has one of them.
    pub(super) fn move_domain(&mut self, at: usize, domain: Option<usize>) -> Result<(), Taken> {
        let domains: BTreeSet<usize> = domain.into_iter().collect();
        if self.holds(&domains, Some(at)) {
            return Err(Taken);
        }
        self.tenants[at].domains = domains;
        Ok(())
    }

    /// Gives a tenant another tier: what it has used of its old quota may or may not count for the new one.
    pub(super) fn retier(&mut self, at: usize, tier: &'static str) {
        let tenant = &mut self.tenants[at];
        if tenant.tier != tier {
            tenant.used.forget_some();
        }
        tenant.tier = tier;
    }

    /// Removes a tenant with all its rows.
    pub(super) fn delete(&mut self, at: usize) {
        let tenant = &mut self.tenants[at];
        tenant.alive = false;
        tenant.domains.clear();
        tenant.rows.clear();
        tenant.reads_fail = false;
    }

    fn holds(&self, domains: &BTreeSet<usize>, but: Option<usize>) -> bool {
        self.tenants.iter().enumerate().any(|(at, tenant)| {
            Some(at) != but && tenant.alive && !tenant.domains.is_disjoint(domains)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "6d700000-0000-4000-8000-000000000001";
    const B: &str = "6d700000-0000-4000-8000-000000000002";

    fn model() -> Model {
        let mut model = Model::default();
        model.create(A, 0, "free", Some(0)).unwrap();
        model
    }

    #[test]
    fn names_belong_to_one_living_tenant() {
        let mut model = model();
        assert_eq!(model.create(B, 0, "free", None), Err(Taken));
        assert_eq!(model.create(B, 1, "free", Some(0)), Err(Taken));
        assert_eq!(model.create(B, 1, "free", Some(1)), Ok(()));
        assert_eq!(model.rename(1, 0), Err(Taken));
        assert_eq!(model.rename(1, 1), Ok(()));
        assert_eq!(model.move_domain(1, Some(0)), Err(Taken));
        model.delete(0);
        assert_eq!(model.rename(1, 0), Ok(()));
        assert_eq!(model.move_domain(1, Some(0)), Ok(()));
        assert_eq!(model.at(Address::Slug(0)), Some(1));
        assert_eq!(model.at(Address::Domain(0)), Some(1));
        assert_eq!(model.at(Address::Domain(1)), None);
    }

    #[test]
    fn a_slug_that_is_made_again_is_another_tenant_with_nothing_of_the_first() {
        let mut model = model();
        model.tenants[0].rows.push(DueRow {
            model: "m".into(),
            tokens: (1, 1),
            sent_at_ms: 0,
            measured_ms: 1,
        });
        model.delete(0);
        assert_eq!(model.last_id(0).as_deref(), Some(A));
        model.create(B, 0, "premium", None).unwrap();
        assert_eq!(model.last_id(0).as_deref(), Some(B));
        assert!(model.tenants.iter().all(|tenant| tenant.rows.is_empty()));
        assert_ne!(model.tenants[0].sandbox_id, model.tenants[1].sandbox_id);
    }
}
