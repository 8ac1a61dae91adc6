//! The one byte form of an image.
//!
//! In: an image, or foreign bytes. Out: its bytes, or the image. Guaranteed: `from_bytes(x)` is an
//! image only if `to_bytes` of it is `x`, so a field that has its default may not be written. What
//! an image says about its code is read here and judged elsewhere.
//!
//! ```text
//! image    = [ bstr manifest, bstr code, bstr constants, bstr certificate ]
//! manifest = {
//!   ? 1: tstr issuer, ? 3: tstr audience, ? 4: uint expires, ? 5: uint not-before,   ; CWT claims
//!   7: [ tstr name, uint version ],
//!   ? -1: [ + uint service / [ uint service, uint param, ? uint resource ] ],
//!   ? -2: uint verdicts,                      ; 0 when absent, as -3 and -7
//!   ? -3: uint rights,
//!   ? -4: uint passes,                        ; 1 when absent
//!   ? -5: [ + [ role, layer, pc, need, malformed, operand, steps, ? period ] ],
//!   -6: [ uint profile, uint target ],
//!   ? -7: uint window,
//!   ? -8: [ uint size, bstr initial ],        ; without the zero bytes at the end
//!   ? -9: [ + [ tstr name, uint offset, uint width, bool wire, ? lo, ? hi ] ],
//!   ? -10: [ + [ tstr name, uint kind, uint key, uint value, uint capacity, uint layout, ? uint idle, ? uint first, ? bool flow ] ],
//!   ? -13: [ + tstr reason ]
//! }
//! ```
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use alloc::string::String;
use alloc::vec::Vec;

use super::{
    CARRIED_MAX, Claims, Entry, Image, ImageError, Import, LateSlot, Layer, Manifest, Profile,
    Resource, ResourceKind, Rights, Role, TargetId, Verdict, VerdictKind,
};
use crate::cbor::{Length, Malformed, Map, Reader, Sink, Writer};

/// Keys of the manifest: claims by their CWT labels (RFC 8392), ours below zero.
mod key {
    pub(super) const ISSUER: i64 = 1;
    pub(super) const AUDIENCE: i64 = 3;
    pub(super) const EXPIRES: i64 = 4;
    pub(super) const NOT_BEFORE: i64 = 5;
    pub(super) const PROGRAM: i64 = 7;
    pub(super) const IMPORTS: i64 = -1;
    pub(super) const VERDICTS: i64 = -2;
    pub(super) const RIGHTS: i64 = -3;
    pub(super) const PASSES: i64 = -4;
    pub(super) const ENTRIES: i64 = -5;
    pub(super) const PLACE: i64 = -6;
    pub(super) const WINDOW: i64 = -7;
    pub(super) const CARRIED: i64 = -8;
    pub(super) const LATE: i64 = -9;
    pub(super) const RESOURCES: i64 = -10;
    pub(super) const REASONS: i64 = -13;
}

const PASSES_DEFAULT: u8 = 1;

impl From<Malformed> for ImageError {
    fn from(Malformed { what, at }: Malformed) -> ImageError {
        ImageError::Malformed { what, at }
    }
}

impl Image {
    /// The one byte form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(4);
        w.bytes(&self.manifest.to_bytes());
        w.bytes(&self.code);
        w.bytes(&self.constants);
        w.bytes(&self.certificate);
        w.into_bytes()
    }

    /// The image that has exactly this byte form.
    ///
    /// # Errors
    ///
    /// [`ImageError::Malformed`] when there is none, with the offset of the byte that shows it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Image, ImageError> {
        let mut r = Reader::new(bytes);
        r.array_of(4)?;
        let mut nested = r.nested()?;
        let manifest = read_manifest(&mut nested)?;
        nested.end()?;
        let code = r.bytes()?.to_vec();
        let constants = r.bytes()?.to_vec();
        let certificate = r.bytes()?.to_vec();
        r.end()?;
        Ok(Image {
            manifest,
            code,
            constants,
            certificate,
        })
    }
}

impl Manifest {
    /// The one byte form.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode(&self.claims)
    }

    /// The manifest that has exactly this byte form.
    ///
    /// # Errors
    ///
    /// [`ImageError::Malformed`] when there is none, with the offset of the byte that shows it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Manifest, ImageError> {
        let mut r = Reader::new(bytes);
        let manifest = read_manifest(&mut r)?;
        r.end()?;
        Ok(manifest)
    }

    /// Bytes it takes without claims, which is what `ImageLimits::manifest_bytes` bounds.
    pub fn len_without_claims(&self) -> usize {
        self.encode::<Length>(&Claims::default()).0
    }

    fn encode<S: Sink>(&self, claims: &Claims) -> S {
        let mut map = Map::<S>::to_sink();
        write_claims(&mut map, claims);
        let program = map.field(key::PROGRAM);
        program.array(2);
        program.text(&self.name);
        program.uint(self.version);
        write_list(&mut map, key::IMPORTS, &self.imports, write_import);
        write_unless(&mut map, key::VERDICTS, self.verdicts, 0);
        write_unless(&mut map, key::RIGHTS, self.rights.0, 0);
        write_unless(&mut map, key::PASSES, self.passes, PASSES_DEFAULT);
        write_list(&mut map, key::ENTRIES, &self.entries, write_entry);
        let place = map.field(key::PLACE);
        place.array(2);
        place.uint(self.profile.number());
        place.uint(self.target.0);
        write_unless(&mut map, key::WINDOW, self.window, 0);
        write_carried(&mut map, &self.carried);
        write_list(&mut map, key::LATE, &self.late, write_late);
        write_list(&mut map, key::RESOURCES, &self.resources, write_resource);
        write_list(&mut map, key::REASONS, &self.reasons, |w, name| {
            w.text(name);
        });
        let mut w = Writer::<S>::default();
        w.map(map);
        w.into_sink()
    }
}

fn write_claims<S: Sink>(map: &mut Map<S>, claims: &Claims) {
    if let Some(issuer) = &claims.issuer {
        map.field(key::ISSUER).text(issuer);
    }
    if let Some(audience) = &claims.audience {
        map.field(key::AUDIENCE).text(audience);
    }
    if let Some(expires) = claims.expires {
        map.field(key::EXPIRES).uint(expires);
    }
    if let Some(not_before) = claims.not_before {
        map.field(key::NOT_BEFORE).uint(not_before);
    }
}

fn write_unless<S: Sink, T: Into<u64> + PartialEq>(map: &mut Map<S>, key: i64, n: T, default: T) {
    if n != default {
        map.field(key).uint(n);
    }
}

fn write_list<S: Sink, T>(
    map: &mut Map<S>,
    key: i64,
    items: &[T],
    write: impl Fn(&mut Writer<S>, &T),
) {
    if items.is_empty() {
        return;
    }
    let w = map.field(key);
    w.array(items.len());
    for item in items {
        write(w, item);
    }
}

fn write_import<S: Sink>(w: &mut Writer<S>, import: &Import) {
    match (import.param, import.resource) {
        (0, None) => {}
        (_, None) => w.array(2),
        (_, Some(_)) => w.array(3),
    }
    w.uint(import.service);
    if import.param != 0 || import.resource.is_some() {
        w.uint(import.param);
    }
    if let Some(resource) = import.resource {
        w.uint(resource);
    }
}

fn write_resource<S: Sink>(w: &mut Writer<S>, resource: &Resource) {
    // What is left out at the end has its default; what stands before something written has not to.
    let len = match (resource.idle_ns, resource.first, resource.flow_key) {
        (0, 0, false) => 6,
        (_, 0, false) => 7,
        (_, _, false) => 8,
        (_, _, true) => 9,
    };
    w.array(len);
    w.text(&resource.name);
    w.uint(resource.kind.number());
    w.uint(resource.key_bytes);
    w.uint(resource.value_bytes);
    w.uint(resource.capacity);
    w.uint(resource.layout);
    if len > 6 {
        w.uint(resource.idle_ns);
    }
    if len > 7 {
        w.uint(resource.first);
    }
    if len > 8 {
        w.bool(true);
    }
}

fn write_entry<S: Sink>(w: &mut Writer<S>, entry: &Entry) {
    w.array(if entry.period_ns == 0 { 7 } else { 8 });
    w.uint(entry.role.number());
    w.uint(entry.layer.number());
    w.uint(entry.pc);
    w.uint(entry.need);
    w.uint(entry.malformed.kind.number());
    w.uint(entry.malformed.operand);
    w.uint(entry.steps);
    if entry.period_ns != 0 {
        w.uint(entry.period_ns);
    }
}

fn write_carried<S: Sink>(map: &mut Map<S>, carried: &[u8]) {
    if carried.is_empty() {
        return;
    }
    let w = map.field(key::CARRIED);
    w.array(2);
    w.uint(carried.len() as u64);
    w.bytes(without_zero_tail(carried));
}

fn without_zero_tail(mut bytes: &[u8]) -> &[u8] {
    while let [head @ .., 0] = bytes {
        bytes = head;
    }
    bytes
}

fn write_late<S: Sink>(w: &mut Writer<S>, slot: &LateSlot) {
    let ranged = (slot.lo, slot.hi) != (0, slot.largest());
    w.array(if ranged { 6 } else { 4 });
    w.text(&slot.name);
    w.uint(slot.offset);
    w.uint(slot.width);
    w.bool(slot.wire);
    if ranged {
        w.uint(slot.lo);
        w.uint(slot.hi);
    }
}

fn read_manifest(r: &mut Reader<'_>) -> Result<Manifest, Malformed> {
    let start = r.at();
    let mut fields = r.map()?;
    let mut program = None;
    let mut place = None;
    let mut claims = Claims::default();
    let mut m = Manifest {
        name: String::new(),
        version: 0,
        profile: Profile::Capsule,
        target: TargetId(0),
        entries: Vec::new(),
        imports: Vec::new(),
        resources: Vec::new(),
        verdicts: 0,
        rights: Rights::NONE,
        passes: PASSES_DEFAULT,
        window: 0,
        carried: Vec::new(),
        late: Vec::new(),
        reasons: Vec::new(),
        claims: Claims::default(),
    };
    loop {
        let at = r.at();
        let Some(key) = r.field(&mut fields)? else {
            break;
        };
        match key {
            key::ISSUER => claims.issuer = Some(r.text()?.into()),
            key::AUDIENCE => claims.audience = Some(r.text()?.into()),
            key::EXPIRES => claims.expires = Some(r.uint()?),
            key::NOT_BEFORE => claims.not_before = Some(r.uint()?),
            key::PROGRAM => program = Some(read_program(r)?),
            key::IMPORTS => m.imports = read_list(r, read_import)?,
            key::VERDICTS => m.verdicts = read_unless(r, 0)?,
            key::RIGHTS => m.rights = Rights(read_unless(r, 0)?),
            key::PASSES => m.passes = read_unless(r, PASSES_DEFAULT)?,
            key::ENTRIES => m.entries = read_list(r, read_entry)?,
            key::PLACE => place = Some(read_place(r)?),
            key::WINDOW => m.window = read_unless(r, 0)?,
            key::CARRIED => m.carried = read_carried(r)?,
            key::LATE => m.late = read_list(r, read_late)?,
            key::RESOURCES => m.resources = read_list(r, read_resource)?,
            key::REASONS => m.reasons = read_list(r, |r| Ok(r.text()?.into()))?,
            _ => return Reader::refuse(at, "a key is unknown"),
        }
    }
    let (Some((name, version)), Some((profile, target))) = (program, place) else {
        return Reader::refuse(start, "the manifest lacks its program or its profile");
    };
    Ok(Manifest {
        name,
        version,
        profile,
        target,
        claims,
        ..m
    })
}

fn read_unless<T: TryFrom<u64> + PartialEq>(
    r: &mut Reader<'_>,
    default: T,
) -> Result<T, Malformed> {
    let at = r.at();
    let n = r.number::<T>()?;
    if n == default {
        return Reader::refuse(at, "a default is written out");
    }
    Ok(n)
}

fn read_list<T>(
    r: &mut Reader<'_>,
    read: fn(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let at = r.at();
    let len = r.array()?;
    if len == 0 {
        return Reader::refuse(at, "a default is written out");
    }
    // The length is a claim, so the vector grows with what is really there.
    (0..len).map(|_| read(r)).collect()
}

/// A member of a closed set by its number.
fn read_member<T>(r: &mut Reader<'_>, member: fn(u8) -> Option<T>) -> Result<T, Malformed> {
    let at = r.at();
    match member(r.number()?) {
        Some(member) => Ok(member),
        None => Reader::refuse(at, "a number stands for nothing"),
    }
}

fn read_program(r: &mut Reader<'_>) -> Result<(String, u32), Malformed> {
    r.array_of(2)?;
    Ok((r.text()?.into(), r.number()?))
}

fn read_place(r: &mut Reader<'_>) -> Result<(Profile, TargetId), Malformed> {
    r.array_of(2)?;
    Ok((read_member(r, Profile::from_number)?, TargetId(r.number()?)))
}

fn read_import(r: &mut Reader<'_>) -> Result<Import, Malformed> {
    if !r.is_array() {
        return Ok(Import {
            service: r.number()?,
            param: 0,
            resource: None,
        });
    }
    let at = r.at();
    let len = r.array()?;
    if len != 2 && len != 3 {
        return Reader::refuse(at, "an array has another number of elements");
    }
    let service = r.number()?;
    let param = r.number()?;
    if len == 2 && param == 0 {
        return Reader::refuse(at, "a default is written out");
    }
    let resource = match len {
        2 => None,
        _ => Some(r.number()?),
    };
    Ok(Import {
        service,
        param,
        resource,
    })
}

fn read_resource(r: &mut Reader<'_>) -> Result<Resource, Malformed> {
    let at = r.at();
    let len = r.array()?;
    if !(6..=9).contains(&len) {
        return Reader::refuse(at, "an array has another number of elements");
    }
    let mut resource = Resource {
        name: r.text()?.into(),
        kind: read_member(r, ResourceKind::from_number)?,
        key_bytes: r.number()?,
        value_bytes: r.number()?,
        capacity: r.number()?,
        layout: r.number()?,
        idle_ns: 0,
        first: 0,
        flow_key: false,
    };
    if len > 6 {
        resource.idle_ns = r.number()?;
    }
    if len > 7 {
        resource.first = r.number()?;
    }
    if len > 8 {
        resource.flow_key = r.bool()?;
    }
    let last_is_default = match len {
        7 => resource.idle_ns == 0,
        8 => resource.first == 0,
        9 => !resource.flow_key,
        _ => false,
    };
    if last_is_default {
        return Reader::refuse(at, "a default is written out");
    }
    Ok(resource)
}

fn read_entry(r: &mut Reader<'_>) -> Result<Entry, Malformed> {
    let at = r.at();
    let len = r.array()?;
    if len != 7 && len != 8 {
        return Reader::refuse(at, "an array has another number of elements");
    }
    Ok(Entry {
        role: read_member(r, Role::from_number)?,
        layer: read_member(r, Layer::from_number)?,
        pc: r.number()?,
        need: r.number()?,
        malformed: Verdict {
            kind: read_member(r, VerdictKind::from_number)?,
            operand: r.number()?,
        },
        steps: r.number()?,
        period_ns: if len == 8 { read_unless(r, 0)? } else { 0 },
    })
}

fn read_carried(r: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    r.array_of(2)?;
    let at = r.at();
    let size = r.number::<usize>()?;
    if size == 0 {
        return Reader::refuse(at, "a default is written out");
    }
    if size > CARRIED_MAX {
        return Reader::refuse(at, "`carried` is longer than packets can carry");
    }
    let at = r.at();
    let initial = r.bytes()?;
    if initial.len() > size {
        return Reader::refuse(at, "`carried` is shorter than its initial bytes");
    }
    if initial.last() == Some(&0) {
        return Reader::refuse(at, "a default is written out");
    }
    let mut carried = Vec::with_capacity(size);
    carried.extend_from_slice(initial);
    carried.resize(size, 0);
    Ok(carried)
}

fn read_late(r: &mut Reader<'_>) -> Result<LateSlot, Malformed> {
    let start = r.at();
    let len = r.array()?;
    if len != 4 && len != 6 {
        return Reader::refuse(start, "an array has another number of elements");
    }
    let name = r.text()?.into();
    let offset = r.number()?;
    let at = r.at();
    let width = r.number()?;
    if !(1..=32).contains(&width) {
        return Reader::refuse(at, "a late parameter has 1 to 32 bits");
    }
    let mut slot = LateSlot {
        name,
        offset,
        width,
        wire: r.bool()?,
        lo: 0,
        hi: u32::MAX,
    };
    let largest = slot.largest();
    slot.hi = largest;
    if len == 6 {
        let at = r.at();
        slot.lo = r.number()?;
        slot.hi = r.number()?;
        if (slot.lo, slot.hi) == (0, largest) {
            return Reader::refuse(at, "a default is written out");
        }
        if slot.lo > slot.hi || slot.hi > largest {
            return Reader::refuse(at, "the range of a late parameter is empty or too wide");
        }
    }
    Ok(slot)
}
