//! Turns `src/grammar.lalrpop` into the parser.

fn main() {
    lalrpop::Configuration::new()
        .use_cargo_dir_conventions()
        .process()
        .expect("the grammar is free of conflicts");
}
