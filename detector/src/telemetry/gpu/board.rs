//! One GPU: what it is, read once, and what it measures, read each round.

use std::collections::BTreeMap;

use nvml_wrapper::enum_wrappers::device::{Clock, PcieUtilCounter, TemperatureSensor};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::{NVML_FI_DEV_PCIE_COUNT_RX_BYTES, NVML_FI_DEV_PCIE_COUNT_TX_BYTES};
use nvml_wrapper::{Device, Nvml};

use super::{instance, users};
use crate::event::{GpuDevice, GpuProcess};

/// One physical device.
pub(super) struct Board<'nvml> {
    device: Device<'nvml>,
    /// What does not change, and what changes seldom as it was when it was last looked at.
    facts: GpuDevice,
    instances: Vec<Instance<'nvml>>,
    energy: Option<u64>,
    pcie: Pcie,
    /// Until when samples of processes were taken; microseconds since the epoch.
    seen: u64,
    /// What cannot be had, and why.
    pub(super) missing: BTreeMap<&'static str, String>,
}

struct Instance<'nvml> {
    device: Device<'nvml>,
    facts: GpuDevice,
}

/// How PCIe traffic is come by.
enum Pcie {
    /// By counters of bytes received and sent, with what they were.
    Counters(Option<(u64, u64)>),
    /// By a look of 20 ms each, where there are no counters.
    Looks,
}

/// Whether what changes seldom is looked at in this round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    Full,
    Quick,
}

impl<'nvml> Board<'nvml> {
    pub(super) fn new(nvml: &'nvml Nvml, index: u32, seen: u64) -> Result<Self, NvmlError> {
        let device = nvml.device_by_index(index)?;
        let facts = GpuDevice {
            index,
            uuid: device.uuid().unwrap_or_default().into(),
            name: device.name().unwrap_or_default().into(),
            sm_clock_max: device.max_clock_info(Clock::SM).ok(),
            memory_clock_max: device.max_clock_info(Clock::Memory).ok(),
            ..GpuDevice::default()
        };
        let pcie = Pcie::Counters(None);
        let missing = BTreeMap::new();
        Ok(Self { device, facts, instances: Vec::new(), energy: None, pcie, seen, missing })
    }

    /// What it is; for one that does not answer.
    pub(super) fn index(&self) -> u32 {
        self.facts.index
    }

    /// How many MIG devices it is split into; `None` where MIG is off.
    pub(super) fn instances(&self) -> Option<usize> {
        self.facts.mig.then_some(self.instances.len())
    }

    /// Measures it; `seconds` since the last time. Appends the device, its instances, and their processes with no
    /// more than a pid as identity.
    ///
    /// # Errors
    /// It does not answer at all.
    pub(super) fn read(
        &mut self,
        depth: Depth,
        seconds: f64,
        devices: &mut Vec<GpuDevice>,
        processes: &mut Vec<GpuProcess>,
    ) -> Result<(), NvmlError> {
        let memory = match self.device.memory_info() {
            Ok(memory) => Some(memory),
            Err(error) if is_fatal(&error) => return Err(error),
            Err(error) => self.lacks("memory", error),
        };
        if depth == Depth::Full {
            self.settle();
        }
        let rates = if self.facts.mig {
            None
        } else {
            had(&mut self.missing, "utilisation", self.device.utilization_rates())
        };
        let energy = had(&mut self.missing, "energy", self.device.total_energy_consumption());
        let before = std::mem::replace(&mut self.energy, energy);
        let (received, sent) = self.traffic(seconds);
        let place = u32::try_from(devices.len()).unwrap_or(u32::MAX);
        let measured = GpuDevice {
            utilization: rates.as_ref().map(|rates| rates.gpu),
            memory_utilization: rates.as_ref().map(|rates| rates.memory),
            memory_used: memory.as_ref().map(|memory| memory.used),
            memory_total: memory.as_ref().map(|memory| memory.total),
            power: had(&mut self.missing, "power", self.device.power_usage()),
            energy: energy.zip(before).and_then(|(now, before)| now.checked_sub(before)),
            sm_clock: had(&mut self.missing, "clocks", self.device.clock_info(Clock::SM)),
            memory_clock: had(
                &mut self.missing,
                "clock of the memory",
                self.device.clock_info(Clock::Memory),
            ),
            pcie_received: received,
            pcie_sent: sent,
            ..self.facts.clone()
        };
        let busy = measured.utilization.is_some_and(|share| share >= users::IDLE);
        devices.push(measured);
        if self.facts.mig {
            for Instance { device, facts } in &self.instances {
                let place = u32::try_from(devices.len()).unwrap_or(u32::MAX);
                let memory = device.memory_info().ok();
                devices.push(GpuDevice {
                    memory_used: memory.as_ref().map(|memory| memory.used),
                    memory_total: memory.as_ref().map(|memory| memory.total),
                    ..facts.clone()
                });
                users::held(device, place, &mut self.missing, processes);
            }
        } else {
            let from = processes.len();
            users::held(&self.device, place, &mut self.missing, processes);
            let used = had(&mut self.missing, "use by process", users::used(&self.device, &mut self.seen));
            if let Some(used) = used {
                users::join(&used, place, busy, from, processes);
            }
        }
        Ok(())
    }

    /// Looks at what changes seldom.
    fn settle(&mut self) {
        self.facts.power_limit = had(&mut self.missing, "power limit", self.device.enforced_power_limit());
        self.facts.persistence = self.device.is_in_persistent_mode().ok();
        self.facts.temperature =
            had(&mut self.missing, "temperature", self.device.temperature(TemperatureSensor::Gpu));
        // Devices that know no MIG say that they do not support the question.
        let mig = self.device.mig_mode().is_ok_and(|mode| mode.current == 1);
        self.facts.mig = mig;
        if !mig {
            self.instances.clear();
            return;
        }
        let most = self.device.mig_device_count().unwrap_or(0).min(64);
        let handles = (0..most).filter_map(|number| self.device.mig_device_by_index(number).ok());
        let index = self.facts.index;
        let instances = handles.map(|device| Instance {
            facts: GpuDevice {
                index,
                instance: instance::numbers(&device),
                uuid: device.uuid().unwrap_or_default().into(),
                name: device.name().unwrap_or_default().into(),
                mig: true,
                ..GpuDevice::default()
            },
            device,
        });
        self.instances = instances.collect();
    }

    /// Bytes per second to the device and from it.
    fn traffic(&mut self, seconds: f64) -> (Option<u64>, Option<u64>) {
        if let Pcie::Counters(before) = &mut self.pcie {
            match counters(&self.device) {
                Some(now) => {
                    let Some(then) = before.replace(now) else { return (None, None) };
                    let rate = |now: u64, then: u64| {
                        let bytes = now.checked_sub(then)?;
                        // A rate is no exact number.
                        (seconds > 0.0).then(|| (bytes as f64 / seconds) as u64)
                    };
                    return (rate(now.0, then.0), rate(now.1, then.1));
                }
                None => self.pcie = Pcie::Looks,
            }
        }
        let mut look = |counter| {
            let rate = had(&mut self.missing, "PCIe traffic", self.device.pcie_throughput(counter))?;
            Some(u64::from(rate) * 1_000)
        };
        (look(PcieUtilCounter::Receive), look(PcieUtilCounter::Send))
    }

    fn lacks<T>(&mut self, what: &'static str, error: NvmlError) -> Option<T> {
        had(&mut self.missing, what, Err(error))
    }
}

/// Bytes received and sent, where both are counted in 64 bits: fewer wrap within a second.
fn counters(device: &Device<'_>) -> Option<(u64, u64)> {
    let fields = [FieldId(NVML_FI_DEV_PCIE_COUNT_RX_BYTES), FieldId(NVML_FI_DEV_PCIE_COUNT_TX_BYTES)];
    let values = device.field_values_for(&fields).ok()?;
    let mut values = values.into_iter().map(|value| match value.ok()?.value.ok()? {
        SampleValue::U64(value) => Some(value),
        SampleValue::U32(_) | SampleValue::I64(_) | SampleValue::F64(_) => None,
    });
    Some((values.next()??, values.next()??))
}

/// Whether a device that says this is gone.
fn is_fatal(error: &NvmlError) -> bool {
    matches!(
        error,
        NvmlError::Uninitialized
            | NvmlError::DriverNotLoaded
            | NvmlError::GpuLost
            | NvmlError::ResetRequired
            | NvmlError::LibRmVersionMismatch
            | NvmlError::InvalidArg
            | NvmlError::Unknown
    )
}

/// What an answer holds; remembers why where it holds nothing and will not soon.
pub(super) fn had<T>(
    missing: &mut BTreeMap<&'static str, String>,
    what: &'static str,
    answer: Result<T, NvmlError>,
) -> Option<T> {
    match answer {
        Ok(value) => {
            missing.remove(what);
            Some(value)
        }
        Err(error) => {
            missing.entry(what).or_insert_with(|| error.to_string());
            None
        }
    }
}
