// SPDX-License-Identifier: GPL-3.0-or-later
import Training

/// Looks on at a training and says nothing.
public struct SilentObserver: TrainingObserver {
    public init() {}
    public mutating func stepped(_ state: TrainingState) {}
    public mutating func finishedEpoch(_ state: TrainingState) throws {}
}
