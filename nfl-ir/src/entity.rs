//! The ids of the IR.

nfl_syntax::entity! {
    /// A basic block.
    pub struct Block = "b";
    /// An instruction.
    pub struct Inst = "i";
    /// A word: an instruction's result or a block's parameter.
    pub struct Value = "v";
    /// An array of constants of the module.
    pub struct DataId = "data";
    /// An area of scratch memory of a function: a local array.
    pub struct Slot = "slot";
    /// An array in the `carried` area of the module.
    pub struct FieldId = "field";
    /// A late word of the module.
    pub struct LateId = "late";
    /// A service with what it is called on.
    pub struct ImportId = "import";
    /// A word of a template parameter that is not bound yet.
    pub struct ParamId = "param";
}
