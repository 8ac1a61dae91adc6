//! Service graphs: connections, each a function with a program for each party.

use nfl_typeck::tables::{GraphDef, GraphId};

use crate::error::{BindError, NoSuchFunction};
use crate::unit::{Built, FunctionUnit, Unit};

/// A graph of a program.
#[derive(Clone, Copy, Debug)]
pub struct GraphUnit<'u> {
    unit: &'u Unit,
    id: GraphId,
}

/// One connection of a graph.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GraphConnection<'u> {
    /// The service that opens flows; empty for anyone.
    pub from: String,
    /// The service that it opens them to; empty for anyone.
    pub to: String,
    /// The contract with the services in between.
    pub contract: FunctionUnit<'u>,
}

impl Unit {
    /// The graphs of the root file, in the order of their declarations.
    pub fn graphs(&self) -> Vec<GraphUnit<'_>> {
        let program = &self.checked().program;
        let root = program.ast.units.first().map(|unit| unit.span.file);
        let graphs = self.checked().tables.graphs.iter();
        graphs
            .filter(|(_, def)| Some(program.ast.decls[def.decl].span.file) == root)
            .map(|(id, _)| GraphUnit { unit: self, id })
            .collect()
    }

    /// The graph of this name, simple or with its package.
    ///
    /// # Errors
    ///
    /// [`NoSuchFunction`] with the names there are.
    pub fn graph(&self, name: &str) -> Result<GraphUnit<'_>, NoSuchFunction> {
        let graphs = self.graphs();
        let found = graphs
            .iter()
            .find(|g| g.name() == name || g.qualified() == name);
        found.copied().ok_or_else(|| NoSuchFunction {
            name: name.to_string(),
            have: graphs.iter().map(|g| g.name().to_string()).collect(),
        })
    }
}

impl<'u> GraphUnit<'u> {
    fn def(&self) -> &'u GraphDef {
        &self.unit.checked().tables.graphs[self.id]
    }

    /// Its simple name.
    pub fn name(&self) -> &'u str {
        self.unit.checked().program.names.text(self.def().name)
    }

    /// Its name with its package.
    pub fn qualified(&self) -> &'u str {
        &self.def().qualified
    }

    /// Its services by name, and the identities that programs are bound to.
    pub fn services(&self) -> Vec<(String, String)> {
        let names = &self.unit.checked().program.names;
        let services = self.def().services.iter();
        services
            .map(|s| (names.text(s.name).to_string(), s.identity.clone()))
            .collect()
    }

    /// What is connected.
    pub fn connections(&self) -> Vec<GraphConnection<'u>> {
        let services = self.services();
        let name = |end: Option<u32>| match end.and_then(|at| services.get(at as usize)) {
            Some((name, _)) => name.clone(),
            None => String::new(),
        };
        let connections = self.def().connections.iter();
        connections
            .map(|c| GraphConnection {
                from: name(c.from),
                to: name(c.to),
                contract: self.unit.function_unit(c.contract),
            })
            .collect()
    }

    /// The images of all connections with these values for the graph's parameters, `Web.prefix` among
    /// them.
    ///
    /// # Errors
    ///
    /// [`BindError`] for unknown names, missing or wrong values, and what cannot be proved with them.
    pub fn images(
        &self,
        values: &[(&str, &str)],
    ) -> Result<Vec<(GraphConnection<'u>, Vec<Built>)>, BindError> {
        let connections = self.connections().into_iter();
        connections
            .map(|connection| {
                let images = connection.contract.bind(values)?.images()?;
                Ok((connection, images))
            })
            .collect()
    }
}
