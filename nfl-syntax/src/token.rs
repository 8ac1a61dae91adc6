//! The table of tokens: one row each, from which the scanner, the texts and the word lists follow.
//!
//! In: nothing. Out: [`Token`], a kind without a value; the text of a token is read from the file.
//! Guaranteed: the text of each row lexes as its variant.

use logos::Logos;

/// What sort of token it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Punctuation and operators.
    Mark,
    /// A word that is never a name.
    Hard,
    /// A word that is a name where a name may stand.
    Soft,
    /// A word of Java that NFL has no use for.
    Reserved,
    /// Names by shape.
    Name,
    /// Numbers, addresses, texts.
    Literal,
    /// White space and comments.
    Trivia,
    /// Made by the compiler, never by the scanner.
    Virtual,
}

macro_rules! tokens {
    (
        fixed { $($class:ident { $($word:ident $text:tt,)* })* }
        shaped { $($shape_class:ident { $($shape:ident $shown:literal $(#[$pattern:meta])*,)* })* }
    ) => {
        /// A kind of token.
        #[derive(Logos, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Token {
            $($(
                #[doc = concat!("`", $text, "`")]
                #[token($text)]
                $word,
            )*)*
            $($(
                #[doc = $shown]
                $(#[$pattern])*
                $shape,
            )*)*
        }

        impl Token {
            /// Every kind, in the order of the table.
            pub const ALL: &[Token] = &[$($(Token::$word,)*)* $($(Token::$shape,)*)*];

            /// The text, for kinds that have only one.
            pub const fn text(self) -> Option<&'static str> {
                match self {
                    $($(Token::$word => Some($text),)*)*
                    _ => None,
                }
            }

            /// What sort of token it is.
            pub const fn class(self) -> Class {
                match self {
                    $($(Token::$word => Class::$class,)*)*
                    $($(Token::$shape => Class::$shape_class,)*)*
                }
            }

            /// How messages call it: "`;`", "a type name".
            pub fn describe(self) -> String {
                match self {
                    $($(Token::$word => concat!("`", $text, "`"),)*)*
                    $($(Token::$shape => $shown,)*)*
                }
                .to_string()
            }
        }
    };
}

tokens! {
    fixed {
        Mark {
            Not "!", NotEq "!=", Percent "%", PercentEq "%=", And "&", AndAnd "&&", AndEq "&=",
            ParenOpen "(", ParenClose ")", Star "*", StarEq "*=", Plus "+", PlusPlus "++",
            PlusEq "+=", Comma ",", Minus "-", MinusMinus "--", MinusEq "-=", Arrow "->",
            Dot ".", DotDot "..", Slash "/", SlashEq "/=", Colon ":", Semi ";", Less "<",
            Shl "<<", ShlEq "<<=", LessEq "<=", Assign "=", EqEq "==", Greater ">",
            GreaterEq ">=", Shr ">>", ShrEq ">>=", Ushr ">>>", UshrEq ">>>=", Question "?",
            At "@", BracketOpen "[", BracketClose "]", Caret "^", CaretEq "^=", BraceOpen "{",
            Or "|", SatAdd "|+|", SatSub "|-|", OrEq "|=", OrOr "||", BraceClose "}", Tilde "~",
        }
        Hard {
            Underscore "_", Assert "assert", Bits "bits", Boolean "boolean", Break "break",
            Case "case", ClassWord "class", Continue "continue", Default "default", Do "do",
            Else "else", Enum "enum", Extends "extends", False "false", Final "final",
            For "for", If "if", Implements "implements", Import "import", In "in",
            InstanceOf "instanceof", Int "int", Interface "interface", Long "long",
            Package "package", Private "private", Public "public", Return "return",
            Static "static", Switch "switch", This "this", True "true", U8 "u8", U16 "u16",
            U32 "u32", U64 "u64", Var "var", Void "void", When "when", While "while",
            Yield "yield",
        }
        Soft {
            Function "function", Header "header", Record "record", On "on", Every "every",
            Chain "chain", Graph "graph", Service "service", Connect "connect", By "by",
            Via "via", Follows "follows", Before "before", Valid "valid", Limit "limit",
            Uses "uses", Passes "passes", Permits "permits", Sealed "sealed",
            Carried "carried", Derived "derived", Late "late",
        }
        Reserved {
            New "new", Null "null", Byte "byte", Short "short", CharWord "char", Float "float",
            Double "double", Try "try", Catch "catch", Finally "finally", Throw "throw",
            Throws "throws", Synchronized "synchronized", Volatile "volatile",
            Abstract "abstract", Native "native", Super "super", Transient "transient",
            ConstWord "const", Goto "goto",
        }
    }
    shaped {
        Name {
            Upper "a type name" #[regex("[A-Z][A-Za-z0-9_]*", priority = 3)],
            Const "a constant" #[regex("[A-Z][A-Z0-9_]+", priority = 8)],
            Lower "a name" #[regex("[a-z_][A-Za-z0-9_]*", priority = 1)],
        }
        Literal {
            Number "a number"
                #[regex("[0-9][0-9_]*", priority = 8)]
                #[regex("0[xX][0-9a-fA-F_]+", priority = 8)]
                #[regex("0[bB][01_]+", priority = 8)],
            Duration "a duration" #[regex("[0-9]+(ns|us|ms|s|min|h)", priority = 8)],
            Rate "a rate" #[regex("[0-9]+[kMGT]?(bps|pps)", priority = 8)],
            Size "a size" #[regex("[0-9]+(B|kB|MB|GB|KiB|MiB|GiB)", priority = 8)],
            Ip4 "an IPv4 address" #[regex(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", priority = 8)],
            Prefix4 "an IPv4 prefix" #[regex(r"[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,3}", priority = 8)],
            Ip6 "an IPv6 address"
                #[regex("[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4})*::([0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4})*)?", priority = 8)]
                #[regex("::([0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4})*)?", priority = 8)]
                #[regex("[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4}){7}", priority = 8)],
            Prefix6 "an IPv6 prefix"
                #[regex("[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4})*::([0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4})*)?/[0-9]{1,3}", priority = 8)]
                #[regex("::([0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4})*)?/[0-9]{1,3}", priority = 8)]
                #[regex("[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4}){7}/[0-9]{1,3}", priority = 8)],
            Mac "a MAC address" #[regex("[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", priority = 8)],
            BadNumber "a broken number" #[regex(r"[0-9][0-9A-Za-z_]*(\.[0-9]+)*", priority = 2)],
            Char "a character" #[regex(r"'([^'\\\n]|\\[^\n])*'", priority = 8)],
            Text "a text" #[regex(r#""([^"\\\n]|\\[^\n])*""#, priority = 8)],
            OpenText "an unfinished text"
                #[regex(r"'([^'\\\n]|\\[^\n])*", priority = 2)]
                #[regex(r#""([^"\\\n]|\\[^\n])*"#, priority = 2)],
        }
        Trivia {
            Space "white space" #[regex(r"[ \t\r\n\u{c}\u{feff}]+", priority = 8)],
            LineComment "a comment" #[regex(r"//[^\n]*", allow_greedy = true, priority = 8)],
            BlockComment "a comment" #[regex(r"/\*([^*]|\*+[^*/])*\*+/", priority = 8)],
            OpenComment "an unfinished comment" #[token("/*", priority = 5)],
            Stray "a stray character",
        }
        Virtual {
            TypeOpen "`<`",
            TypeClose "`>`",
            OtherLiteral "a literal",
            OtherType "a type",
            Resume "the rest of a file",
            Hole "a hole",
        }
    }
}
