import type { Auditor } from '../audit/auditor';
import type { VisibilityBarrier } from '../barrier/visibility-barrier';
import type { Tail } from '../binlog/tail';
import type { WatermarkPublisher } from '../cache/watermark-publisher';
import type { CheckpointKeeper } from '../checkpoint/checkpoint-keeper';
import { errorKind } from '../errors/change.errors';
import type { ErrorReporter } from '../errors/error-reporter';
import { CacheflowStoppedError, CaughtUpTimeoutError } from '../errors/source.errors';
import type { EventHub } from '../events/event-hub';
import type { EverywhereEvents } from '../events/everywhere/everywhere-events';
import type { AppliedPosition } from '../pipeline/applied-position';
import type { ChangePipeline } from '../pipeline/change-pipeline';
import type { ChangeQueue } from '../pipeline/change-queue';
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
  readonly everywhere: EverywhereEvents;
  readonly retry: RetryService;
  readonly auditor: Auditor;
  readonly guard: RewindGuard;
  readonly errors: ErrorReporter;
  /** Cuts off what a shutdown cannot wait for. */
  readonly cutOff: AbortController;
  readonly shutdownTimeoutMillis: number;
}

/** The parts of one source at work: starts them in order, stops them in order. */
export class Engine {
  private pipelineRun: Promise<void> | undefined;

  constructor(readonly parts: EngineParts) {}

  start(): void {
    const { tail, pipeline, watermark, strategy, events, everywhere, retry, auditor, cutOff } = this.parts;
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
    tail.start();
    watermark.start();
    auditor.start({
      isStreaming: () => tail.state === 'streaming',
      caughtUp: (timeoutMillis) => this.caughtUp(timeoutMillis),
    });
  }

  /** Stops reading, finishes the batch and the handlers in hand, saves the checkpoint. */
  async stop(): Promise<void> {
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
    }
  }

  private async stopInOrder(signal: AbortSignal): Promise<void> {
    const { tail, queue, pipeline, keeper, watermark, events, everywhere, retry, auditor, guard } =
      this.parts;
    await untilAborted(watermark.stop(), signal);
    await untilAborted(auditor.stop(), signal);
    await untilAborted(tail.stop(), signal);
    queue.close();
    pipeline.resume();
    if (this.pipelineRun) await untilAborted(this.pipelineRun, signal);
    await untilAborted(everywhere.written(), signal);
    await untilAborted(everywhere.stop(), signal);
    await untilAborted(events.idle(), signal);
    await untilAborted(retry.stop(signal), signal);
    await untilAborted(keeper.save(), signal);
    await untilAborted(guard.end(), signal);
  }

  pause(): void {
    this.parts.tail.pause();
    this.parts.pipeline.pause();
  }

  resume(): void {
    this.parts.pipeline.resume();
    this.parts.tail.resume();
  }

  /** See `CacheflowService.caughtUp`. */
  async caughtUp(timeoutMillis: number): Promise<void> {
    const { tail } = this.parts;
    let timedOut = false;
    try {
      await withDeadline(timeoutMillis, tail.ended, async (signal) => {
        signal.addEventListener('abort', () => (timedOut = !tail.ended.aborted), { once: true });
        await tail.caughtUp(signal);
      });
    } catch (cause) {
      if (!timedOut) throw cause;
      const { state, reason } = tail;
      throw new CaughtUpTimeoutError(
        `The tail did not catch up within ${timeoutMillis} ms (state ${state}${reason ? `: ${reason}` : ''})`,
        { cause },
      );
    }
  }
}
