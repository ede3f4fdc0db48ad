import type { Auditor } from '../audit/auditor';
import type { VisibilityBarrier } from '../barrier/visibility-barrier';
import type { Tail } from '../binlog/tail';
import type { WatermarkPublisher } from '../cache/watermark-publisher';
import type { CheckpointKeeper } from '../checkpoint/checkpoint-keeper';
import { errorKind } from '../errors/change.errors';
import type { HandlerDistribution } from '../distribution/handler-distribution';
import type { ErrorReporter } from '../errors/error-reporter';
import { CacheflowStoppedError, CaughtUpTimeoutError } from '../errors/source.errors';
import type { EventHub } from '../events/event-hub';
import type { EverywhereEvents } from '../events/everywhere/everywhere-events';
import type { AppliedPosition } from '../pipeline/applied-position';
import type { ChangePipeline } from '../pipeline/change-pipeline';
import type { ChangeQueue } from '../pipeline/change-queue';
import type { TableShapes } from '../keys/table-shapes';
import type { Group, GroupParts } from '../group/group';
import type { RewindGuard } from '../redis/rewind-guard';
import type { RetryService } from '../retry/retry.service';
import type { StrategyService } from '../strategy/strategy.service';
import { untilAborted, withDeadline } from '../support/abort';

/** What runs between start and stop. */
export interface EngineParts {
  readonly tail: Tail;
  readonly queue: ChangeQueue;
  readonly barrier: VisibilityBarrier;
  readonly pipeline: ChangePipeline;
  readonly keeper: CheckpointKeeper;
  readonly position: AppliedPosition;
  readonly watermark: WatermarkPublisher;
  readonly strategy: StrategyService;
  readonly events: EventHub;
  readonly distribution: HandlerDistribution;
  readonly everywhere: EverywhereEvents;
  readonly retry: RetryService;
  readonly group: Group;
  readonly auditor: Auditor;
  readonly guard: RewindGuard;
  readonly shapes: TableShapes;
  readonly errors: ErrorReporter;
  /** Cuts off what a shutdown cannot wait for. */
  readonly cutOff: AbortController;
  readonly shutdownTimeoutMillis: number;
}

/** The parts of one source at work: starts them in order, stops them in order. */
export class Engine {
  private pipelineRun: Promise<void> | undefined;
  private isStopping = false;

  constructor(readonly parts: EngineParts) {}

  start(): void {
    const {
      tail,
      pipeline,
      watermark,
      strategy,
      events,
      everywhere,
      distribution,
      retry,
      auditor,
      group,
      cutOff,
    } = this.parts;
    this.pipelineRun = pipeline.run().catch((cause: unknown) => {
      // The cut-off of a shutdown ends it; what was in hand is read again after the restart.
      if (cutOff.signal.aborted) return;
      const problem = `The pipeline failed (${errorKind(cause)}); nothing is applied until the app is restarted`;
      tail.fail(new CacheflowStoppedError(problem, { cause }));
    });
    retry.start(async ({ work, ...command }, signal) =>
      work.kind === 'handler'
        ? events.retryHandler(work.handler, work.event)
        : strategy.retry({ work, ...command }, signal),
    );
    everywhere.start();
    group.start({
      pause: () => this.hold(),
      resume: () => this.release(),
      handOver: () => this.parts.auditor.handOver(),
      caughtUp: (signal) => tail.caughtUp(signal),
      report: () => this.report(),
      forgetDefinitions: () => this.parts.shapes.refresh(undefined),
    });
    distribution.start(group.members, () => group.term);
    tail.start();
    watermark.start();
    auditor.start({
      isStreaming: () => tail.state === 'streaming',
      caughtUp: (timeoutMillis) => this.caughtUp(timeoutMillis),
    });
  }

  /** Stops reading, finishes the batch and the handlers in hand, saves the checkpoint. */
  async stop(): Promise<void> {
    this.isStopping = true;
    const { cutOff, errors, shutdownTimeoutMillis, barrier } = this.parts;
    const deadline = setTimeout(
      () => cutOff.abort(new CacheflowStoppedError('The shutdown took too long')),
      shutdownTimeoutMillis,
    );
    try {
      await this.stopInOrder(cutOff.signal);
    } catch (error) {
      if (!cutOff.signal.aborted) throw error;
      errors.warn('The shutdown was cut short; the changes in hand are applied after the restart');
    } finally {
      clearTimeout(deadline);
      cutOff.abort(new CacheflowStoppedError('The tail was stopped'));
      barrier.close();
      // A shutdown that was cut short must not keep the lead either.
      void this.parts.group.leave(new CacheflowStoppedError('The tail was stopped'));
    }
  }

  private async stopInOrder(signal: AbortSignal): Promise<void> {
    const {
      tail,
      queue,
      pipeline,
      keeper,
      watermark,
      events,
      everywhere,
      distribution,
      retry,
      auditor,
      group,
      guard,
    } = this.parts;
    await untilAborted(watermark.stop(), signal);
    await untilAborted(auditor.stop(), signal);
    await untilAborted(tail.stop(), signal);
    queue.close();
    pipeline.resume();
    if (this.pipelineRun) await untilAborted(this.pipelineRun, signal);
    await untilAborted(everywhere.written(), signal);
    await untilAborted(everywhere.stop(), signal);
    await untilAborted(distribution.stop(signal), signal);
    await untilAborted(events.idle(), signal);
    await untilAborted(retry.stop(signal), signal);
    await untilAborted(keeper.save(), signal);
    // Only now may another process go on from there.
    await untilAborted(group.leave(new CacheflowStoppedError('The tail was stopped')), signal);
    await untilAborted(guard.end(), signal);
  }

  /** Holds the tail of the group between two batches. */
  async pause(): Promise<void> {
    await this.parts.group.setPaused(true);
  }

  async resume(): Promise<void> {
    await this.parts.group.setPaused(false);
  }

  private hold(): void {
    // A shutdown finishes what is in hand, paused or not.
    if (this.isStopping) return;
    this.parts.tail.pause();
    this.parts.pipeline.pause();
  }

  private release(): void {
    this.parts.pipeline.resume();
    this.parts.tail.resume();
  }

  private report(): ReturnType<GroupParts['report']> {
    const { tail, keeper, position } = this.parts;
    const { state, reason, lag } = tail;
    return { state, reason, position: position.value, checkpoint: keeper.saved, lag };
  }

  /** See `CacheflowService.caughtUp`. */
  async caughtUp(timeoutMillis: number): Promise<void> {
    const { tail, group } = this.parts;
    let timedOut = false;
    try {
      await withDeadline(timeoutMillis, tail.ended, async (signal) => {
        signal.addEventListener('abort', () => (timedOut = !tail.ended.aborted), { once: true });
        await group.caughtUp(timeoutMillis, signal);
      });
    } catch (cause) {
      if (!timedOut) throw cause;
      throw new CaughtUpTimeoutError(this.whyLate(timeoutMillis), { cause });
    }
  }

  private whyLate(timeoutMillis: number): string {
    const { tail, group } = this.parts;
    const { leader, report } = group.status;
    if (group.isLeading) {
      const { state, reason } = tail;
      return `The tail did not catch up within ${timeoutMillis} ms (state ${state}${reason ? `: ${reason}` : ''})`;
    }
    if (leader === undefined)
      return `No process of the group has led within ${timeoutMillis} ms (here: ${tail.reason ?? tail.state})`;
    const told = report ? `; ${report.ageMillis} ms ago its state was ${report.state}` : '';
    return `The leader of the group (${leader}) did not say within ${timeoutMillis} ms that it has caught up${told}`;
  }
}
