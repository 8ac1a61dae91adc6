//! What an image asks of its node, as text.
//!
//! In: a manifest. Out: its imports and resources in words. Guaranteed: no panic on any manifest; what makes no sense is
//! shown by its number.

use nfl::abi::host::Service;
use nfl::abi::image::{Import, Manifest, Resource};
use nfl::abi::map::{CODE_BASE, SLOT_BYTES, VECTOR_BASE};

/// `counter.count hits`, `packet.push 8`
pub(crate) fn import(manifest: &Manifest, import: &Import) -> String {
    let service = Service::by_number(import.service);
    let mut text = match service {
        Some(service) => service.name.to_string(),
        None => format!("service {}", import.service),
    };
    if let Some(at) = import.resource {
        let resource = manifest.resources.get(usize::from(at));
        text += &resource.map_or(format!(" {at}?"), |r| format!(" {}", r.name));
    }
    if import.param != 0 {
        text += &format!(" {}", import.param);
    }
    text
}

/// The import that a jump to this address calls.
pub(crate) fn called(manifest: &Manifest, address: u32) -> Option<String> {
    let is_slot = (VECTOR_BASE..CODE_BASE).contains(&address);
    let before = CODE_BASE.checked_sub(address).filter(|_| is_slot)?;
    let slot = (before / SLOT_BYTES).checked_sub(1)? as usize;
    Some(import(manifest, manifest.imports.get(slot)?))
}

/// `table, key 4 bytes, value 8 bytes, capacity 1024, entries go after 30 s`
pub(crate) fn resource(resource: &Resource) -> String {
    let mut text = resource.kind.text().to_string();
    match (resource.flow_key, resource.key_bytes) {
        (true, _) => text += ", key a flow",
        (false, 0) => {}
        (false, bytes) => text += &format!(", key {bytes} bytes"),
    }
    if resource.value_bytes > 0 {
        text += &format!(", value {} bytes", resource.value_bytes);
    }
    text += &format!(", capacity {}", resource.capacity);
    if resource.idle_ns > 0 {
        text += &format!(", idle {} ms", resource.idle_ns / 1_000_000);
    }
    text
}
