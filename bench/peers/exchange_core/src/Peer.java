/*
 * exchange-core on a prepared stream:  java Peer STREAM [YIELDING|BLOCKING|BUSY_SPIN]
 *
 * When the stream is read it says so. Each line on standard input is then a round: a new core gets the symbol, the users with their money and the orders that
 * build the book, then the measured commands as fast as it takes them, until the last one's result is there. A line of
 * figures answers, name=value. The commands are made before, so nothing but the core is in the time.
 *
 * STREAM is little-endian: four int64 (users, building commands, all commands, highest price), then for each command
 * kind and side (int32), order, user, price, lots (int64); see `exchange_core.py`.
 */

import exchange.core2.core.ExchangeApi;
import exchange.core2.core.ExchangeCore;
import exchange.core2.core.common.CoreSymbolSpecification;
import exchange.core2.core.common.CoreWaitStrategy;
import exchange.core2.core.common.L2MarketData;
import exchange.core2.core.common.MatcherEventType;
import exchange.core2.core.common.MatcherTradeEvent;
import exchange.core2.core.common.OrderAction;
import exchange.core2.core.common.OrderType;
import exchange.core2.core.common.SymbolType;
import exchange.core2.core.common.api.ApiAddUser;
import exchange.core2.core.common.api.ApiAdjustUserBalance;
import exchange.core2.core.common.api.ApiCancelOrder;
import exchange.core2.core.common.api.ApiCommand;
import exchange.core2.core.common.api.ApiMoveOrder;
import exchange.core2.core.common.api.ApiNop;
import exchange.core2.core.common.api.ApiPlaceOrder;
import exchange.core2.core.common.api.ApiReduceOrder;
import exchange.core2.core.common.api.binary.BatchAddSymbolsCommand;
import exchange.core2.core.common.cmd.CommandResultCode;
import exchange.core2.core.common.cmd.OrderCommand;
import exchange.core2.core.common.config.ExchangeConfiguration;
import exchange.core2.core.common.config.InitialStateConfiguration;
import exchange.core2.core.common.config.LoggingConfiguration;
import exchange.core2.core.common.config.OrdersProcessingConfiguration;
import exchange.core2.core.common.config.PerformanceConfiguration;
import exchange.core2.core.common.config.ReportsQueriesConfiguration;
import exchange.core2.core.common.config.SerializationConfiguration;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

public final class Peer {
    private static final int SYMBOL = 1;
    private static final int BASE = 1;
    private static final int QUOTE = 2;
    private static final long MONEY = 1_000_000_000_000_000L;
    private static final long MAKER_FEE = 1; // Units of the quote a lot.
    private static final long TAKER_FEE = 2;
    private static final int COMMAND_BYTES = 40;

    private long users;
    private int building;
    private List<ApiCommand> commands;

    public static void main(String[] arguments) throws Exception {
        Peer peer = new Peer();
        peer.read(Path.of(arguments[0]));
        CoreWaitStrategy wait = CoreWaitStrategy.valueOf(arguments.length > 1 ? arguments[1] : "YIELDING");
        System.out.println("ready");
        BufferedReader rounds = new BufferedReader(new InputStreamReader(System.in));
        while (rounds.readLine() != null) {
            System.out.println(peer.round(wait));
        }
    }

    private void read(Path path) throws IOException {
        ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.LITTLE_ENDIAN);
        users = file.getLong();
        building = (int) file.getLong();
        int count = (int) file.getLong();
        long highest = file.getLong();
        commands = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            commands.add(command(file, highest));
        }
    }

    /** A bid reserves the highest price, so that no move of it is refused for lack of a reserve. */
    private static ApiCommand command(ByteBuffer file, long highest) {
        int kind = file.getInt();
        boolean isBid = file.getInt() == 1;
        long order = file.getLong();
        long user = file.getLong();
        long price = file.getLong();
        long lots = file.getLong();
        switch (kind) {
            case 1:
            case 2:
                return ApiPlaceOrder.builder()
                        .orderId(order)
                        .uid(user)
                        .symbol(SYMBOL)
                        .action(isBid ? OrderAction.BID : OrderAction.ASK)
                        .orderType(kind == 1 ? OrderType.GTC : OrderType.IOC)
                        .price(price)
                        .reservePrice(isBid ? highest : 0)
                        .size(lots)
                        .build();
            case 3:
                return new ApiCancelOrder(order, user, SYMBOL);
            case 4:
                return new ApiMoveOrder(order, price, user, SYMBOL);
            case 5:
                return new ApiReduceOrder(order, user, SYMBOL, lots);
            default:
                throw new IllegalArgumentException("kind " + kind);
        }
    }

    private String round(CoreWaitStrategy wait) throws Exception {
        Totals totals = new Totals();
        ExchangeCore core = ExchangeCore.builder()
                .resultsConsumer((command, seq) -> totals.take(command))
                .exchangeConfiguration(configuration(wait))
                .build();
        core.startup();
        ExchangeApi api = core.getApi();
        open(api);
        api.submitCommandsSync(commands.subList(0, building));
        totals.clear();
        List<ApiCommand> measured = commands.subList(building, commands.size());
        long cpuBefore = processorNs();
        long begun = System.nanoTime();
        api.submitCommandsSync(measured);
        long took = System.nanoTime() - begun;
        long cpuTook = processorNs() - cpuBefore;
        String counted = totals.toString();
        L2MarketData book = api.requestOrderBookAsync(SYMBOL, Integer.MAX_VALUE).join();
        core.shutdown();
        return "seconds=" + took / 1e9 + " processor_s=" + cpuTook / 1e9 + counted + " book=" + levels(book);
    }

    private void open(ExchangeApi api) throws Exception {
        CoreSymbolSpecification symbol = CoreSymbolSpecification.builder()
                .symbolId(SYMBOL)
                .type(SymbolType.CURRENCY_EXCHANGE_PAIR)
                .baseCurrency(BASE)
                .quoteCurrency(QUOTE)
                .baseScaleK(100)
                .quoteScaleK(1)
                .takerFee(TAKER_FEE)
                .makerFee(MAKER_FEE)
                .build();
        check(api.submitBinaryDataAsync(new BatchAddSymbolsCommand(symbol)).get());
        for (long user = 1; user <= users; user++) {
            api.submitCommand(ApiAddUser.builder().uid(user).build());
            for (int currency = BASE; currency <= QUOTE; currency++) {
                api.submitCommand(ApiAdjustUserBalance.builder()
                        .uid(user)
                        .currency(currency)
                        .amount(MONEY)
                        .transactionId(currency)
                        .build());
            }
        }
        check(api.submitCommandAsync(ApiNop.builder().build()).join());
    }

    private static void check(CommandResultCode result) {
        if (result != CommandResultCode.SUCCESS) {
            throw new IllegalStateException(result.toString());
        }
    }

    /** As in exchange-core's own throughput test with one symbol, but for the wait and threads that are not pinned. */
    private static ExchangeConfiguration configuration(CoreWaitStrategy wait) {
        return ExchangeConfiguration.defaultBuilder()
                .performanceCfg(PerformanceConfiguration.throughputPerformanceBuilder()
                        .ringBufferSize(32 * 1024)
                        .matchingEnginesNum(1)
                        .riskEnginesNum(1)
                        .waitStrategy(wait)
                        .threadFactory(Thread::new)
                        .build())
                .initStateCfg(InitialStateConfiguration.CLEAN_TEST)
                .ordersProcessingCfg(OrdersProcessingConfiguration.DEFAULT)
                .reportsQueriesCfg(ReportsQueriesConfiguration.DEFAULT)
                .loggingCfg(LoggingConfiguration.DEFAULT)
                .serializationCfg(SerializationConfiguration.DEFAULT)
                .build();
    }

    private static long processorNs() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
                .getProcessCpuTime();
    }

    private static String levels(L2MarketData book) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < book.bidSize; i++) {
            text.append(book.bidPrices[i]).append(':').append(book.bidVolumes[i]).append(',');
        }
        text.append('|');
        for (int i = 0; i < book.askSize; i++) {
            text.append(book.askPrices[i]).append(':').append(book.askVolumes[i]).append(',');
        }
        return text.toString();
    }

    /** What the results say; counted by the core's thread for results. */
    private static final class Totals {
        private long trades;
        private long lots;
        private long turnover;
        private long refused;

        void take(OrderCommand command) {
            if (command.resultCode != CommandResultCode.SUCCESS) {
                refused++;
            }
            for (MatcherTradeEvent event = command.matcherEvent; event != null; event = event.nextEvent) {
                if (event.eventType == MatcherEventType.TRADE) {
                    trades++;
                    lots += event.size;
                    turnover += event.size * event.price;
                }
            }
        }

        void clear() {
            trades = lots = turnover = refused = 0;
        }

        @Override
        public String toString() {
            return " trades=" + trades + " lots=" + lots + " turnover=" + turnover + " refused=" + refused;
        }
    }
}
