//! Capabilities.
//!
//! In: what a body was seen doing, and what its declaration says. Out: the rights it has; reports
//! of what is missing and of what is too much. The rules are those of Java's `throws`.

use crate::check::Checker;
use nfl_abi::codes;
use nfl_abi::image::{Right, Rights};
use nfl_syntax::ast::{Ident, TypeKind, Uses};

impl Checker<'_> {
    /// The rights that a clause lists.
    pub(crate) fn listed(&mut self, uses: &Uses) -> Rights {
        let mut rights = Rights::NONE;
        for &ty in &uses.names {
            let node = &self.ast.types[ty];
            let TypeKind::Named { path, .. } = &node.kind else {
                continue;
            };
            let text = path.last().map_or("", |p| self.text(p.name));
            match Right::from_text(text).filter(|_| path.len() == 1) {
                Some(right) => rights = rights.with(right),
                None => {
                    let all: Vec<&str> = Right::ALL.iter().map(|r| r.text()).collect();
                    let finding = self
                        .at(&codes::E603, node.span)
                        .message(format!("there is no capability `{text}`"))
                        .label("unknown")
                        .help(format!("one of {}", all.join(", ")));
                    self.report(finding);
                }
            }
        }
        rights
    }

    /// Compares the acts of the present body with its clause; answers the rights that callers see.
    pub(crate) fn check_uses(&mut self, name: Ident, uses: Option<&Uses>, public: bool) -> Rights {
        let done = self.body.summary.rights();
        if uses.is_none() && !public {
            return done;
        }
        let listed = uses.map_or(Rights::NONE, |uses| self.listed(uses));
        let missing = done.without(listed);
        if missing != Rights::NONE {
            let texts: Vec<&str> = missing.iter().map(Right::text).collect();
            let says: Vec<&str> = listed.iter().map(Right::text).collect();
            let mut finding = self
                .at(&codes::E601, name.span)
                .message(format!(
                    "`{}` does not say that it uses {}",
                    self.text(name.name),
                    texts.join(", ")
                ))
                .label(if says.is_empty() {
                    "whoever signs this reads: nothing but reading, `Pass` and `Drop`".to_string()
                } else {
                    format!("whoever signs this reads: {}", says.join(", "))
                });
            for right in missing.iter() {
                if let Some((span, deed)) = self.body.summary.acts.get(&right) {
                    finding = finding.also(*span, deed.clone());
                }
            }
            let all: Vec<&str> = listed.union(missing).iter().map(Right::text).collect();
            let clause = format!("uses {}", all.join(", "));
            let finding = match uses {
                Some(uses) => finding.instead(uses.span, clause),
                None => {
                    let place = self.behind_parameters(name.span);
                    finding.fix(clause.clone(), [(place, format!(" {clause}"))])
                }
            };
            self.report(finding);
        }
        let excess = listed.without(done);
        if let Some(uses) = uses.filter(|_| excess != Rights::NONE) {
            let texts: Vec<&str> = excess.iter().map(Right::text).collect();
            let finding = self
                .at(&codes::W601, uses.span)
                .message(format!(
                    "`{}` does not use {}",
                    self.text(name.name),
                    texts.join(", ")
                ))
                .label("more than is needed");
            let needed: Vec<&str> = listed.without(excess).iter().map(Right::text).collect();
            let finding = match needed.is_empty() {
                true => finding.fix(
                    "leave it out",
                    [(self.with_space(uses.span), String::new())],
                ),
                false => finding.instead(uses.span, format!("uses {}", needed.join(", "))),
            };
            self.warnings.push(finding);
        }
        listed.union(missing)
    }
}
